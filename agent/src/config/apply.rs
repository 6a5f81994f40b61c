//! Translates a node's configuration into the data plane's. The only place where the two meet.

use dataplane::{DataPlaneHandle, SupplySpec};
use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, Shape,
};
use htb::Rate;
use htb::pool::{self, ClassParams, PoolParams};
use source::Sources;

use super::error::ApplyConfigError;
use super::sources;

/// Applies `config` as a whole or not at all. VMs keep their connections, tokens and debts.
pub(crate) fn apply(config: &NodeConfig, dataplane: &DataPlaneHandle) -> Result<(), ApplyConfigError> {
    dataplane.apply(pool_configs(config)?).map_err(ApplyConfigError::DataPlane)
}

/// The data plane's configuration for `config`.
pub fn pool_configs(config: &NodeConfig) -> Result<Vec<dataplane::PoolConfig>, ApplyConfigError> {
    config.pools.iter().map(pool_config).collect()
}

fn pool_config(pool: &delivery::PoolConfig) -> Result<dataplane::PoolConfig, ApplyConfigError> {
    let supply = sources::supply(pool)?;
    if let SupplySpec::Sources { spec, .. } = &supply {
        // Before the supply of any pool is started.
        let refused = |source| dataplane::ApplyError::Supply { pool: pool.name.clone(), source };
        Sources::check(spec).map_err(refused).map_err(ApplyConfigError::DataPlane)?;
    }
    Ok(dataplane::PoolConfig {
        name: pool.name.clone(),
        params: PoolParams {
            root: shape(pool.shape),
            default_class: pool.default_class.clone(),
            classes: pool.classes.iter().map(class).collect(),
        },
        namespaces: namespaces(&pool.namespaces),
        class_namespaces: pool
            .classes
            .iter()
            .map(|class| (class.name.clone(), namespaces(&class.namespaces)))
            .collect(),
        class_connections: pool
            .classes
            .iter()
            .map(|class| (class.name.clone(), class.max_connections as usize))
            .collect(),
        supply,
    })
}

fn class(class: &ClassConfig) -> ClassParams {
    ClassParams {
        name: class.name.clone(),
        parent: class.parent.clone(),
        shape: shape(class.shape),
        prio: class.prio,
        // The schema allows at most 10000; a larger weight can only come from a faulty sender.
        weight: u16::try_from(class.weight).unwrap_or(u16::MAX),
        per_vm: shape(class.per_vm),
        per_namespace: bound(class.per_namespace),
        max_vms: class.max_vms,
        admission: match class.admission {
            Admission::Strict => pool::Admission::Strict,
            Admission::Proportional => pool::Admission::Proportional,
        },
        fairness: match class.fairness {
            Fairness::Namespace => pool::Fairness::Namespace,
            Fairness::Vm => pool::Fairness::Vm,
        },
    }
}

fn shape(shape: Shape) -> pool::Shape {
    pool::Shape { rate: rate(shape.rate), ceil: rate(shape.ceil), burst: shape.burst, cburst: shape.cburst }
}

fn bound(bound: NamespaceBound) -> pool::NamespaceBound {
    let NamespaceBound { rate: assured, ceil, max_vms } = bound;
    pool::NamespaceBound { rate: assured.map(rate), ceil: ceil.map(rate), max_vms }
}

fn rate(rate: BytesPerDay) -> Rate {
    Rate(rate.0)
}

fn namespaces(namespaces: &Namespaces) -> dataplane::AllowedNamespaces {
    match namespaces {
        Namespaces::All => dataplane::AllowedNamespaces::All,
        Namespaces::Only(names) => dataplane::AllowedNamespaces::Only(names.clone()),
    }
}

#[cfg(test)]
#[path = "accepted_tests.rs"]
mod tests;
