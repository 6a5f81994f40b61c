//! Everything as it is at one instant, in plain types.

use std::path::PathBuf;

use htb::{Limit, NodeId, Params, Rate, Stats, Tick};

use crate::counters::Counters;
use crate::plane::Plane;
use crate::pool::Pool;
use crate::setup::Client;
use crate::vm::{self, Vm};

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
    /// Its socket; none while it is being attached.
    pub socket: Option<PathBuf>,
    /// Its leaf. `stats.backlog` is what it waits for here, less what connections that do not read would get.
    pub node: NodeSnapshot,
    /// Bytes asked by 0x02 and not granted, on all its connections.
    pub owed: u64,
    /// Live connections.
    pub connections: usize,
    /// Of these, those whose peer does not read.
    pub blocked: usize,
    /// Requests since it was attached.
    pub asked: egd::Counters,
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

impl Plane {
    pub(crate) fn snapshot(&self, now: Tick) -> Snapshot {
        let mut pools: Vec<_> = self.pools.iter().map(|(_, pool)| pool.snapshot(now)).collect();
        for (_, vm) in self.vms.iter() {
            let Some(pool) = self.pools.get(vm.pool) else { continue };
            let home = pools.iter_mut().find(|home| home.name == pool.setup.name);
            if let Some(home) = home {
                home.vms.push(self.vm(vm, pool, now));
            }
        }
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        for pool in &mut pools {
            pool.vms.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Snapshot { now, counters: self.counters, pools }
    }

    fn vm(&self, vm: &Vm, pool: &Pool, now: Tick) -> VmSnapshot {
        let connections = || vm.connections.iter().filter_map(|key| self.connections.get(key));
        let mut asked = vm.asked_before;
        connections().for_each(|connection| vm::add(&mut asked, connection.session().counters()));
        VmSnapshot {
            id: vm.id.clone(),
            namespace: vm.namespace.clone(),
            class: pool.shaper.class_of(vm.leaf).to_owned(),
            client: vm.client,
            socket: vm.listener.as_ref().map(|listener| listener.path().to_owned()),
            node: pool.node(vm.leaf, now),
            owed: connections().map(|connection| connection.session().owed()).sum(),
            connections: vm.connections.len(),
            blocked: connections().filter(|connection| !connection.is_writable()).count(),
            asked,
            waiting: pool.waiting(vm.leaf, now),
        }
    }
}

impl Pool {
    fn snapshot(&self, now: Tick) -> PoolSnapshot {
        PoolSnapshot {
            name: self.setup.name.clone(),
            closed: self.closed,
            default_class: self.setup.params.default_class.clone(),
            node: self.node(self.shaper.tree().root(), now),
            classes: self.shaper.classes().map(|class| self.class(&class, now)).collect(),
            vms: Vec::new(),
        }
    }

    fn class(&self, class: &htb::pool::ClassView<'_>, now: Tick) -> ClassSnapshot {
        let namespaces = self.shaper.namespaces(class.name).map(|namespace| NamespaceSnapshot {
            name: namespace.name.to_owned(),
            vms: namespace.members,
            assured: namespace.assured,
            node: namespace.node.map(|node| self.node(node, now)),
        });
        ClassSnapshot {
            name: class.name.to_owned(),
            parent: class.parent.map(str::to_owned),
            closed: class.closed,
            vms: class.members,
            assured: class.assured,
            node: self.node(class.node, now),
            namespaces: namespaces.collect(),
        }
    }

    fn node(&self, node: NodeId, now: Tick) -> NodeSnapshot {
        let tree = self.shaper.tree();
        NodeSnapshot { params: tree.params(node), stats: tree.stats(node, now) }
    }

    fn waiting(&self, leaf: NodeId, now: Tick) -> Option<Waiting> {
        let tree = self.shaper.tree();
        let since = tree.stats(leaf, now).waiting_since?;
        let binding = tree.binding(leaf, now)?;
        let limit = match binding.limit {
            Limit::Rate => LimitAt::Rate,
            Limit::Ceil(node) => LimitAt::Ceil(self.level(leaf, node)),
            Limit::Supply => LimitAt::Supply,
        };
        Some(Waiting { since, limit, limit_since: binding.since })
    }

    fn level(&self, leaf: NodeId, node: NodeId) -> Level {
        if node == leaf {
            Level::Vm
        } else if node == self.shaper.tree().root() {
            Level::Pool
        } else {
            let class = self.shaper.classes().find(|class| class.node == node);
            class.map_or(Level::Namespace, |class| Level::Class(class.name.to_owned()))
        }
    }
}
