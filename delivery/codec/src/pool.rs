//! Pools and classes.

use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, OnSourceFailure, Output,
    PoolConfig, Resource, Shape,
};
use proto::delivery as wire;

use crate::error::{DecodeError, needed};
use crate::source;

pub(crate) fn pool_to_wire(pool: PoolConfig) -> wire::Pool {
    let output = match pool.output {
        Output::Stretched => wire::Output::Stretched,
        Output::FullEntropy => wire::Output::FullEntropy,
        Output::Raw => wire::Output::Raw,
    };
    let on_source_failure = match pool.on_source_failure {
        OnSourceFailure::Hold => wire::OnSourceFailure::Hold,
        OnSourceFailure::Degrade => wire::OnSourceFailure::Degrade,
    };
    wire::Pool {
        name: pool.name,
        sources: pool.sources.into_iter().map(source::to_wire).collect(),
        output: output.into(),
        min_healthy_sources: pool.min_healthy_sources,
        on_source_failure: on_source_failure.into(),
        shape: Some(shape_to_wire(pool.shape)),
        default_class: pool.default_class,
        namespaces: Some(namespaces_to_wire(pool.namespaces)),
    }
}

pub(crate) fn pool_of_wire(pool: wire::Pool) -> Result<PoolConfig, DecodeError> {
    let output = match pool.output() {
        wire::Output::Stretched => Output::Stretched,
        wire::Output::FullEntropy => Output::FullEntropy,
        wire::Output::Raw => Output::Raw,
        wire::Output::Unspecified => {
            let right = "this version knows Stretched, FullEntropy and Raw (1, 2, 3)";
            return Err(DecodeError::value("output", &pool.output, right));
        }
    };
    let on_source_failure = match pool.on_source_failure() {
        wire::OnSourceFailure::Degrade => OnSourceFailure::Degrade,
        wire::OnSourceFailure::Hold | wire::OnSourceFailure::Unspecified => OnSourceFailure::Hold,
    };
    Ok(PoolConfig {
        output,
        on_source_failure,
        shape: shape_of_wire(needed("shape", pool.shape)?),
        namespaces: namespaces_of_wire(needed("namespaces", pool.namespaces)?),
        sources: pool.sources.into_iter().map(source::of_wire).collect::<Result<_, _>>()?,
        min_healthy_sources: pool.min_healthy_sources,
        default_class: pool.default_class,
        classes: Vec::new(),
        name: pool.name,
    })
}

pub(crate) fn class_to_wire(pool: String, class: ClassConfig, inherits: bool) -> wire::Class {
    let admission = match class.admission {
        Admission::Strict => wire::Admission::Strict,
        Admission::Proportional => wire::Admission::Proportional,
    };
    let fairness = match class.fairness {
        Fairness::Namespace => wire::Fairness::Namespace,
        Fairness::Vm => wire::Fairness::Vm,
    };
    wire::Class {
        pool,
        name: class.name,
        parent: class.parent.unwrap_or_default(),
        shape: Some(shape_to_wire(class.shape)),
        prio: class.prio.into(),
        weight: class.weight,
        per_vm: Some(shape_to_wire(class.per_vm)),
        per_namespace: Some(bound_to_wire(class.per_namespace)),
        max_vms: class.max_vms,
        admission: admission.into(),
        fairness: fairness.into(),
        allow_degraded: class.allow_degraded,
        namespaces: (!inherits).then(|| namespaces_to_wire(class.namespaces)),
    }
}

pub(crate) fn class_of_wire(class: wire::Class) -> Result<Resource, DecodeError> {
    let admission = match class.admission() {
        wire::Admission::Proportional => Admission::Proportional,
        wire::Admission::Strict | wire::Admission::Unspecified => Admission::Strict,
    };
    let fairness = match class.fairness() {
        wire::Fairness::Vm => Fairness::Vm,
        wire::Fairness::Namespace | wire::Fairness::Unspecified => Fairness::Namespace,
    };
    let inherits = class.namespaces.is_none();
    let config = ClassConfig {
        admission,
        fairness,
        prio: prio(class.prio)?,
        weight: weight(class.weight)?,
        shape: shape_of_wire(needed("shape", class.shape)?),
        per_vm: shape_of_wire(needed("per_vm", class.per_vm)?),
        per_namespace: bound_of_wire(class.per_namespace.unwrap_or_default()),
        max_vms: class.max_vms,
        allow_degraded: class.allow_degraded,
        namespaces: class.namespaces.map_or(Namespaces::All, namespaces_of_wire),
        parent: Some(class.parent).filter(|parent| !parent.is_empty()),
        name: class.name,
    };
    Ok(Resource::Class { pool: class.pool, class: config, inherits })
}

fn prio(prio: u32) -> Result<u8, DecodeError> {
    let known = u8::try_from(prio).ok().filter(|prio| *prio <= 7);
    known.ok_or_else(|| DecodeError::value("prio", &prio, "it is 0 to 7"))
}

fn weight(weight: u32) -> Result<u32, DecodeError> {
    let known = Some(weight).filter(|weight| (1..=10_000).contains(weight));
    known.ok_or_else(|| DecodeError::value("weight", &weight, "it is 1 to 10000"))
}

fn shape_to_wire(shape: Shape) -> wire::Shape {
    wire::Shape { rate: shape.rate.0, ceil: shape.ceil.0, burst: shape.burst, cburst: shape.cburst }
}

fn shape_of_wire(shape: wire::Shape) -> Shape {
    let wire::Shape { rate, ceil, burst, cburst } = shape;
    Shape { rate: BytesPerDay(rate), ceil: BytesPerDay(ceil), burst, cburst }
}

fn bound_to_wire(bound: NamespaceBound) -> wire::NamespaceBound {
    let NamespaceBound { rate, ceil, max_vms } = bound;
    wire::NamespaceBound { rate: rate.map(|rate| rate.0), ceil: ceil.map(|ceil| ceil.0), max_vms }
}

fn bound_of_wire(bound: wire::NamespaceBound) -> NamespaceBound {
    let wire::NamespaceBound { rate, ceil, max_vms } = bound;
    NamespaceBound { rate: rate.map(BytesPerDay), ceil: ceil.map(BytesPerDay), max_vms }
}

fn namespaces_to_wire(namespaces: Namespaces) -> wire::Namespaces {
    match namespaces {
        Namespaces::All => wire::Namespaces { all: true, names: Vec::new() },
        Namespaces::Only(names) => wire::Namespaces { all: false, names: names.into_iter().collect() },
    }
}

fn namespaces_of_wire(namespaces: wire::Namespaces) -> Namespaces {
    if namespaces.all { Namespaces::All } else { Namespaces::Only(namespaces.names.into_iter().collect()) }
}
