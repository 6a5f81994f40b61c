//! A node's configuration becomes the server's pools. The only place where the two meet.

use dataplane::DataPlaneHandle;
use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, Shape,
};
use htb::Rate;
use htb::pool::{self, ClassParams, PoolParams};

use crate::sources::{self, SourceSpecError};

/// Why a configuration is not in force.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A source cannot be what the configuration says.
    #[error("pool {pool}: source {name}: {source}")]
    Source {
        /// The pool.
        pool: String,
        /// The source.
        name: String,
        /// What is wrong.
        source: SourceSpecError,
    },
    /// The server refused; the pools are as they were.
    #[error("the pools are as they were")]
    Server(#[source] dataplane::ApplyError),
}

impl ApplyError {
    /// The one word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source { source, .. } => source.reason(),
            Self::Server(_) => "ApplyFailed",
        }
    }
}

/// Puts `config` in force, all of it or nothing. VMs keep their connections, tokens and debts.
pub fn apply(config: &NodeConfig, server: &DataPlaneHandle) -> Result<(), ApplyError> {
    server.apply(setups(config)?).map_err(ApplyError::Server)
}

/// What a server is told of `config`.
pub fn setups(config: &NodeConfig) -> Result<Vec<dataplane::PoolConfig>, ApplyError> {
    config.pools.iter().map(setup).collect()
}

fn setup(pool: &delivery::PoolConfig) -> Result<dataplane::PoolConfig, ApplyError> {
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
        supply: sources::supply(pool)?,
    })
}

fn class(class: &ClassConfig) -> ClassParams {
    ClassParams {
        name: class.name.clone(),
        parent: class.parent.clone(),
        shape: shape(class.shape),
        prio: class.prio,
        // The schema's bound is 10000; what is over it could only come from elsewhere.
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

fn namespaces(namespaces: &Namespaces) -> dataplane::Namespaces {
    match namespaces {
        Namespaces::All => dataplane::Namespaces::All,
        Namespaces::Only(names) => dataplane::Namespaces::Only(names.clone()),
    }
}
