//! Taking one: by the loop's thread, so that all of it is of one instant.

use htb::{BindingLimit, NodeId, Tick};

use super::{
    ClassSnapshot, Level, LimitAt, NamespaceSnapshot, NodeSnapshot, PoolSnapshot, Snapshot, VmSnapshot,
    Waiting,
};
use crate::pool::Pool;
use crate::state::DataPlane;
use crate::vm::{self, Vm};

impl DataPlane {
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
        let owed = connections().map(|connection| connection.session().owed()).sum();
        VmSnapshot {
            id: vm.id.clone(),
            namespace: vm.namespace.clone(),
            class: pool.shaper.class_of(vm.leaf).to_owned(),
            client: vm.client,
            socket: vm.listener.as_ref().map(|listener| listener.address().clone()),
            node: pool.node(vm.leaf, now),
            owed,
            connections: vm.connections.len(),
            blocked: connections().filter(|connection| !connection.is_writable()).count(),
            unsolicited: vm.unsolicited,
            asked,
            limit_hits: vm.limit_hits,
            waiting: pool.waiting(vm.leaf, now).or_else(|| pool.waiting_outside(vm, owed)),
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
            buffer: self.supply.waiting(),
            overlimits: self.overlimits_below_classes(),
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
            closed: class.deleted,
            vms: class.members,
            assured: class.assured,
            node: self.node(class.node, now),
            waits: self.members.waits(class.name),
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
            BindingLimit::Rate => LimitAt::Rate,
            BindingLimit::Ceil(node) => LimitAt::Ceil(self.level(leaf, node)),
            BindingLimit::Supply => LimitAt::Supply,
        };
        Some(Waiting { since, limit, limit_since: binding.since })
    }

    /// What the pool has is not for this leaf: what it is owed waits outside the tree.
    fn waiting_outside(&self, vm: &Vm, owed: u64) -> Option<Waiting> {
        let limit_since = self.degraded.filter(|_| owed > 0 && self.is_shut(vm.leaf))?;
        Some(Waiting { since: vm.degraded_since.unwrap_or(limit_since), limit: LimitAt::Supply, limit_since })
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
