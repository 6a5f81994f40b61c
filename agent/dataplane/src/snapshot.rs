//! Everything as it is at one instant, in plain types.

use htb::{Params, Rate, Stats, Tick};

use crate::config::Client;
use crate::counters::Counters;
use crate::listener::Address;
use crate::pool::Overlimits;
use crate::pool::WaitHistogram;
use crate::vm::LimitHits;

/// The whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When it was taken. Rates are differences of two snapshots' bytes by the difference of these.
    pub now: Tick,
    /// What the loop has done.
    pub counters: Counters,
    /// By name.
    pub pools: Vec<PoolSnapshot>,
}

/// A node of a class tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// What it was given.
    pub params: Params,
    /// Its counters and levels.
    pub stats: Stats,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// Its name.
    pub name: String,
    /// It has gone from the configuration and stays for the VMs it has.
    pub closed: bool,
    /// The class of VMs that name none.
    pub default_class: String,
    /// The root of its tree.
    pub node: NodeSnapshot,
    /// Bytes that wait to be served, made beforehand.
    pub buffer: u64,
    /// Of all VMs and namespaces that it has and had.
    pub overlimits: Overlimits,
    /// By name.
    pub classes: Vec<ClassSnapshot>,
    /// By id.
    pub vms: Vec<VmSnapshot>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSnapshot {
    /// Its name.
    pub name: String,
    /// The class above; none: the root is.
    pub parent: Option<String>,
    /// It has gone from the configuration and stays for the VMs it has.
    pub closed: bool,
    /// How many VMs it has.
    pub vms: usize,
    /// What these are assured together.
    pub assured: Rate,
    /// Its node.
    pub node: NodeSnapshot,
    /// How long its VMs waited for their grants.
    pub waits: WaitHistogram,
    /// Those that have VMs in it, by name.
    pub namespaces: Vec<NamespaceSnapshot>,
}

/// A namespace in a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSnapshot {
    /// Its name.
    pub name: String,
    /// How many VMs of the class it has.
    pub vms: usize,
    /// What these are assured together.
    pub assured: Rate,
    /// Its node, if the class gives namespaces one.
    pub node: Option<NodeSnapshot>,
}

/// A VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmSnapshot {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub namespace: String,
    /// The class it is in.
    pub class: String,
    /// Who is at the other end.
    pub client: Client,
    /// Where it finds the daemon; none while it is being attached.
    pub socket: Option<Address>,
    /// Its leaf. `stats.backlog` is what it waits for here, less what connections that do not read would get.
    pub node: NodeSnapshot,
    /// Bytes asked by 0x02 and not granted, on all its connections.
    pub owed: u64,
    /// Live connections.
    pub connections: usize,
    /// Of these, those whose peer does not read.
    pub blocked: usize,
    /// Bytes served unsolicited since it was attached.
    pub unsolicited: u64,
    /// Requests since it was attached.
    pub asked: egd::Counters,
    /// How often a limit on what it may do has held it back.
    pub limit_hits: LimitHits,
    /// What it waits for, if it waits.
    pub waiting: Option<Waiting>,
}

/// What keeps a VM waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its last grant or, if that is later, when it began to wait.
    pub since: Tick,
    /// The limit that binds.
    pub limit: LimitAt,
    /// Since when that has been binding.
    pub limit_since: Tick,
}

/// A limit that binds, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitAt {
    /// It is past its own rate, nobody on its path lends, and others are served first.
    Rate,
    /// The ceil of this is used up.
    Ceil(Level),
    /// The sources give less than is wanted.
    Supply,
}

/// A node by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// The VM's own leaf.
    Vm,
    /// Its namespace, in its class.
    Namespace,
    /// This class.
    Class(String),
    /// The pool.
    Pool,
}
