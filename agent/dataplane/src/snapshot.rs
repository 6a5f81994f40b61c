//! The state of everything at one instant, in plain types.

use htb::{Params, Rate, Stats, Tick};

use crate::config::Client;
use crate::counters::Counters;
use crate::listener::Address;
use crate::pool::{Overlimits, WaitHistogram};
use crate::vm::LimitHits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlaneSnapshot {
    /// When it was taken. A rate is the difference of two snapshots' bytes by the difference of these.
    pub now: Tick,
    pub counters: Counters,
    /// By name.
    pub pools: Vec<PoolSnapshot>,
}

/// A node of a class tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    pub params: Params,
    pub stats: Stats,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    pub name: String,
    /// Deleted from the configuration, and kept for the VMs that it still has.
    pub closed: bool,
    /// The class of VMs that name none.
    pub default_class: String,
    /// The root of its tree.
    pub node: NodeSnapshot,
    /// Bytes buffered for serving.
    pub buffer: u64,
    /// Of all VMs and namespaces, present and past.
    pub overlimits: Overlimits,
    /// By name.
    pub classes: Vec<ClassSnapshot>,
    /// By id.
    pub vms: Vec<VmSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSnapshot {
    pub name: String,
    /// The class above; `None`: the root.
    pub parent: Option<String>,
    /// Deleted from the configuration, and kept for the VMs that it still has.
    pub closed: bool,
    pub vms: usize,
    /// Rate assured to all its VMs together.
    pub assured: Rate,
    pub node: NodeSnapshot,
    /// How long its VMs waited for their grants.
    pub waits: WaitHistogram,
    /// Namespaces that have VMs in it, by name.
    pub namespaces: Vec<NamespaceSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSnapshot {
    pub name: String,
    /// Its VMs in the class.
    pub vms: usize,
    /// Rate assured to all its VMs together.
    pub assured: Rate,
    /// `None` if namespaces have no node in the class.
    pub node: Option<NodeSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmSnapshot {
    pub id: String,
    pub namespace: String,
    pub class: String,
    pub client: Client,
    /// `None` while it is being attached.
    pub socket: Option<Address>,
    /// Its leaf. `stats.backlog` excludes the demand of blocked connections.
    pub node: NodeSnapshot,
    /// Bytes requested by 0x02 and not granted, on all its connections.
    pub owed: u64,
    pub connections: usize,
    /// Connections whose peer does not read.
    pub blocked: usize,
    /// Bytes served unsolicited since it was attached.
    pub unsolicited: u64,
    /// Requests since it was attached.
    pub asked: egd::SessionCounters,
    pub limit_hits: LimitHits,
    pub waiting: Option<Waiting>,
}

/// What a VM waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its last grant or, if later, the start of its wait.
    pub since: Tick,
    pub limit: LimitAt,
    /// Since when that limit is binding.
    pub limit_since: Tick,
}

/// A binding limit, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitAt {
    /// The VM exceeds its own rate, no class on its path lends, and others are served first.
    Rate,
    /// A ceil is reached.
    Ceil(Level),
    /// The sources deliver less than the demand.
    Supply,
}

/// A level of the class tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// The VM's own leaf.
    Vm,
    Namespace,
    Class(String),
    Pool,
}
