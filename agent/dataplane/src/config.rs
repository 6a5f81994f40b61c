//! What the server is told: pools, and virtual machines that draw from them.

use std::collections::{BTreeMap, BTreeSet};

use htb::pool::PoolParams;

/// One pool: its class tree, who may use it, and where its bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Its name.
    pub name: String,
    /// Its root and classes, every default filled in.
    pub params: PoolParams,
    /// The namespaces that may use the pool at all.
    pub namespaces: Namespaces,
    /// The namespaces that may use each class, within the pool's; a class not named here takes all of those.
    pub class_namespaces: BTreeMap<String, Namespaces>,
    /// Where its bytes come from.
    pub supply: SupplySpec,
}

/// A set of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one, also those that come later.
    #[default]
    All,
    /// Exactly these.
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// Whether `namespace` is in the set.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

/// Where a pool's bytes come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SupplySpec {
    /// The kernel's generator.
    #[default]
    Kernel,
    /// Sources that are tested and conditioned.
    Sources {
        /// What they are and what is made of them.
        spec: Box<source::PoolSpec>,
        /// The classes that may be served less than the pool promises.
        allow_degraded: BTreeSet<String>,
    },
}

impl SupplySpec {
    /// What a supply is made of: where that stays the same, so does the supply.
    pub(crate) fn spec(&self) -> Option<&source::PoolSpec> {
        match self {
            Self::Kernel => None,
            Self::Sources { spec, .. } => Some(spec),
        }
    }

    /// Whether a class may be served less than the pool promises.
    pub(crate) fn allows_degraded(&self, class: &str) -> bool {
        match self {
            Self::Kernel => false,
            Self::Sources { allow_degraded, .. } => allow_degraded.contains(class),
        }
    }
}

/// A VM that wants its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// Unique on this node, and the name of the socket's directory.
    pub id: String,
    /// Whose it is.
    pub namespace: String,
    /// The pool it draws from.
    pub pool: String,
    /// The class it is in; `None` is the pool's default class.
    pub class: Option<String>,
    /// Who is at the other end.
    pub client: Client,
}

/// Who is at the other end of a VM's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// QEMU, which only ever sends 0x02 and takes bytes that it did not ask for.
    Qemu,
    /// Any EGD client.
    #[default]
    Egd,
}
