//! Configuration: pools, and virtual machines that draw from them.

use std::collections::{BTreeMap, BTreeSet};

use htb::pool::PoolParams;

/// The most connections that a VM may have, whatever its class allows.
pub(crate) const MAX_CONNECTIONS: usize = 1024;

/// One pool: its class tree, the namespaces that may use it, and its supply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    pub name: String,
    /// Its root and classes, with all defaults filled in.
    pub params: PoolParams,
    /// The namespaces that may use the pool at all.
    pub namespaces: AllowedNamespaces,
    /// The namespaces that may use each class, among the pool's; a class not named here admits all of those.
    pub class_namespaces: BTreeMap<String, AllowedNamespaces>,
    /// The connections that each VM of a class may have if it is no QEMU; one of a class not named here may have the most
    /// that any may, 1,024.
    pub class_connections: BTreeMap<String, usize>,
    pub supply: SupplySpec,
}

impl PoolConfig {
    /// How many connections a VM of this class may have if it is no QEMU.
    pub(crate) fn max_connections(&self, class: &str) -> usize {
        let allowed = self.class_connections.get(class).copied();
        allowed.unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedNamespaces {
    /// Every namespace, including future ones.
    #[default]
    All,
    Only(BTreeSet<String>),
}

impl AllowedNamespaces {
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
    /// Noise sources, health-tested and conditioned.
    Sources {
        spec: Box<source::PoolSpec>,
        /// The classes that may be served from a degraded supply.
        allow_degraded: BTreeSet<String>,
    },
}

impl SupplySpec {
    /// A pool whose spec does not change keeps its supply.
    pub(crate) fn spec(&self) -> Option<&source::PoolSpec> {
        match self {
            Self::Kernel => None,
            Self::Sources { spec, .. } => Some(spec),
        }
    }

    /// Whether a class may be served from a degraded supply.
    pub(crate) fn allows_degraded(&self, class: &str) -> bool {
        match self {
            Self::Kernel => false,
            Self::Sources { allow_degraded, .. } => allow_degraded.contains(class),
        }
    }
}

/// A VM to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// Unique on this node, and the name of the socket's directory.
    pub id: String,
    pub namespace: String,
    pub pool: String,
    /// `None`: the pool's default class.
    pub class: Option<String>,
    pub client: Client,
}

/// The kind of client that connects to a VM's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// QEMU, which only ever sends 0x02 and accepts unsolicited bytes.
    Qemu,
    /// QEMU, if the kernel says that the program which connects is one; otherwise as [`Egd`](Self::Egd).
    Detect,
    /// Any EGD client.
    #[default]
    Egd,
}
