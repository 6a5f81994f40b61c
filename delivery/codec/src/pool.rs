//! Pools and classes.

use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, OnSourceFailure, Output,
    PoolConfig, Resource, Shape,
};
use proto::delivery as pb;

use crate::error::{DecodeError, needed};
use crate::source;

pub(crate) fn pool_to_proto(pool: PoolConfig) -> pb::Pool {
    let output = match pool.output {
        Output::Stretched => pb::Output::Stretched,
        Output::FullEntropy => pb::Output::FullEntropy,
        Output::Raw => pb::Output::Raw,
    };
    let on_source_failure = match pool.on_source_failure {
        OnSourceFailure::Hold => pb::OnSourceFailure::Hold,
        OnSourceFailure::Degrade => pb::OnSourceFailure::Degrade,
    };
    pb::Pool {
        name: pool.name,
        sources: pool.sources.into_iter().map(source::to_proto).collect(),
        output: output.into(),
        min_healthy_sources: pool.min_healthy_sources,
        on_source_failure: on_source_failure.into(),
        shape: Some(shape_to_proto(pool.shape)),
        default_class: pool.default_class,
        namespaces: Some(namespaces_to_proto(pool.namespaces)),
    }
}

pub(crate) fn pool_from_proto(pool: pb::Pool) -> Result<PoolConfig, DecodeError> {
    let output = match pool.output() {
        pb::Output::Stretched => Output::Stretched,
        pb::Output::FullEntropy => Output::FullEntropy,
        pb::Output::Raw => Output::Raw,
        pb::Output::Unspecified => {
            let right = "this version knows Stretched, FullEntropy and Raw (1, 2, 3)";
            return Err(DecodeError::value("output", &pool.output, right));
        }
    };
    let on_source_failure = match pool.on_source_failure() {
        pb::OnSourceFailure::Degrade => OnSourceFailure::Degrade,
        pb::OnSourceFailure::Hold | pb::OnSourceFailure::Unspecified => OnSourceFailure::Hold,
    };
    Ok(PoolConfig {
        output,
        on_source_failure,
        shape: shape_from_proto(needed("shape", pool.shape)?),
        namespaces: namespaces_from_proto(needed("namespaces", pool.namespaces)?),
        sources: pool.sources.into_iter().map(source::from_proto).collect::<Result<_, _>>()?,
        min_healthy_sources: pool.min_healthy_sources,
        default_class: pool.default_class,
        classes: Vec::new(),
        name: pool.name,
    })
}

pub(crate) fn class_to_proto(pool: String, class: ClassConfig, inherits: bool) -> pb::Class {
    let admission = match class.admission {
        Admission::Strict => pb::Admission::Strict,
        Admission::Proportional => pb::Admission::Proportional,
    };
    let fairness = match class.fairness {
        Fairness::Namespace => pb::Fairness::Namespace,
        Fairness::Vm => pb::Fairness::Vm,
    };
    pb::Class {
        pool,
        name: class.name,
        parent: class.parent.unwrap_or_default(),
        shape: Some(shape_to_proto(class.shape)),
        prio: class.prio.into(),
        weight: class.weight,
        per_vm: Some(shape_to_proto(class.per_vm)),
        max_connections: Some(class.max_connections),
        per_namespace: Some(bound_to_proto(class.per_namespace)),
        max_vms: class.max_vms,
        admission: admission.into(),
        fairness: fairness.into(),
        allow_degraded: class.allow_degraded,
        namespaces: (!inherits).then(|| namespaces_to_proto(class.namespaces)),
    }
}

pub(crate) fn class_from_proto(class: pb::Class) -> Result<Resource, DecodeError> {
    let admission = match class.admission() {
        pb::Admission::Proportional => Admission::Proportional,
        pb::Admission::Strict | pb::Admission::Unspecified => Admission::Strict,
    };
    let fairness = match class.fairness() {
        pb::Fairness::Vm => Fairness::Vm,
        pb::Fairness::Namespace | pb::Fairness::Unspecified => Fairness::Namespace,
    };
    let inherits = class.namespaces.is_none();
    let config = ClassConfig {
        admission,
        fairness,
        prio: prio(class.prio)?,
        weight: weight(class.weight)?,
        shape: shape_from_proto(needed("shape", class.shape)?),
        per_vm: shape_from_proto(needed("per_vm", class.per_vm)?),
        max_connections: max_connections(class.max_connections)?,
        per_namespace: bound_from_proto(class.per_namespace.unwrap_or_default()),
        max_vms: class.max_vms,
        allow_degraded: class.allow_degraded,
        namespaces: class.namespaces.map_or(Namespaces::All, namespaces_from_proto),
        parent: Some(class.parent).filter(|parent| !parent.is_empty()),
        name: class.name,
    };
    Ok(Resource::Class { pool: class.pool, class: config, inherits })
}

fn prio(prio: u32) -> Result<u8, DecodeError> {
    let known = u8::try_from(prio).ok().filter(|prio| *prio <= 7);
    known.ok_or_else(|| DecodeError::value("prio", &prio, "it must be 0 to 7"))
}

fn weight(weight: u32) -> Result<u32, DecodeError> {
    let known = Some(weight).filter(|weight| (1..=10_000).contains(weight));
    known.ok_or_else(|| DecodeError::value("weight", &weight, "it must be 1 to 10000"))
}

/// A sender that does not know the field has classes of the default.
fn max_connections(connections: Option<u32>) -> Result<u32, DecodeError> {
    let connections = connections.unwrap_or(ClassConfig::DEFAULT_MAX_CONNECTIONS);
    let known = Some(connections).filter(|connections| (1..=1024).contains(connections));
    known.ok_or_else(|| DecodeError::value("max_connections", &connections, "it must be 1 to 1024"))
}

fn shape_to_proto(shape: Shape) -> pb::Shape {
    pb::Shape { rate: shape.rate.0, ceil: shape.ceil.0, burst: shape.burst, cburst: shape.cburst }
}

fn shape_from_proto(shape: pb::Shape) -> Shape {
    let pb::Shape { rate, ceil, burst, cburst } = shape;
    Shape { rate: BytesPerDay(rate), ceil: BytesPerDay(ceil), burst, cburst }
}

fn bound_to_proto(bound: NamespaceBound) -> pb::NamespaceBound {
    let NamespaceBound { rate, ceil, max_vms } = bound;
    pb::NamespaceBound { rate: rate.map(|rate| rate.0), ceil: ceil.map(|ceil| ceil.0), max_vms }
}

fn bound_from_proto(bound: pb::NamespaceBound) -> NamespaceBound {
    let pb::NamespaceBound { rate, ceil, max_vms } = bound;
    NamespaceBound { rate: rate.map(BytesPerDay), ceil: ceil.map(BytesPerDay), max_vms }
}

fn namespaces_to_proto(namespaces: Namespaces) -> pb::Namespaces {
    match namespaces {
        Namespaces::All => pb::Namespaces { all: true, names: Vec::new() },
        Namespaces::Only(names) => pb::Namespaces { all: false, names: names.into_iter().collect() },
    }
}

fn namespaces_from_proto(namespaces: pb::Namespaces) -> Namespaces {
    if namespaces.all { Namespaces::All } else { Namespaces::Only(namespaces.names.into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_controller_that_says_nothing_of_connections_has_classes_of_the_default() {
        assert_eq!(max_connections(None).unwrap(), ClassConfig::DEFAULT_MAX_CONNECTIONS);
        assert_eq!(max_connections(Some(1)).unwrap(), 1);
    }
}
