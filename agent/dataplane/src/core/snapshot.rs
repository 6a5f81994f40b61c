//! Takes a snapshot on the loop's thread, so that all of it is from one instant.

use htb::{BindingLimit, NodeId, Tick};

use super::state::DataPlane;
use crate::pool::ServedPool;
use crate::snapshot::{
    ClassSnapshot, DataPlaneSnapshot, Level, LimitAt, NamespaceSnapshot, NodeSnapshot, PoolSnapshot,
    VmSnapshot, Waiting,
};
use crate::vm::{Vm, add_counters};

impl DataPlane {
    pub(crate) fn snapshot(&self, now: Tick) -> DataPlaneSnapshot {
        let mut pools: Vec<_> = self.pools.iter().map(|(_, pool)| pool.snapshot(now)).collect();
        for (_, vm) in self.vms.iter() {
            let Some(pool) = self.pools.get(vm.pool) else { continue };
            let snapshot = pools.iter_mut().find(|snapshot| snapshot.name == pool.config.name);
            if let Some(snapshot) = snapshot {
                snapshot.vms.push(self.vm_snapshot(vm, pool, now));
            }
        }
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        for pool in &mut pools {
            pool.vms.sort_by(|a, b| a.id.cmp(&b.id));
        }
        DataPlaneSnapshot { now, counters: self.counters, pools }
    }

    fn vm_snapshot(&self, vm: &Vm, pool: &ServedPool, now: Tick) -> VmSnapshot {
        let connections = || vm.connections.iter().filter_map(|key| self.connections.get(key));
        let mut asked = vm.asked_before;
        connections().for_each(|connection| add_counters(&mut asked, connection.session().counters()));
        let owed = connections().map(|connection| connection.session().owed()).sum();
        VmSnapshot {
            id: vm.id.clone(),
            namespace: vm.namespace.clone(),
            class: pool.shaper.class_of(vm.leaf).to_owned(),
            client: vm.client,
            socket: vm.listener.as_ref().map(|listener| listener.address().clone()),
            node: pool.node_snapshot(vm.leaf, now),
            owed,
            connections: vm.connections.len(),
            blocked: connections().filter(|connection| !connection.is_writable()).count(),
            unsolicited: vm.unsolicited,
            asked,
            limit_hits: vm.limit_hits,
            waiting: pool.waiting(vm.leaf, now).or_else(|| pool.waiting_withheld(vm, owed)),
        }
    }
}

impl ServedPool {
    fn snapshot(&self, now: Tick) -> PoolSnapshot {
        PoolSnapshot {
            name: self.config.name.clone(),
            closed: self.closed,
            default_class: self.config.params.default_class.clone(),
            node: self.node_snapshot(self.shaper.tree().root(), now),
            buffer: self.supply.waiting(),
            overlimits: self.overlimits_below_classes(),
            classes: self.shaper.classes().map(|class| self.class_snapshot(&class, now)).collect(),
            vms: Vec::new(),
        }
    }

    fn class_snapshot(&self, class: &htb::pool::ClassView<'_>, now: Tick) -> ClassSnapshot {
        let namespaces = self.shaper.namespaces(class.name).map(|namespace| NamespaceSnapshot {
            name: namespace.name.to_owned(),
            vms: namespace.members,
            assured: namespace.assured,
            node: namespace.node.map(|node| self.node_snapshot(node, now)),
        });
        ClassSnapshot {
            name: class.name.to_owned(),
            parent: class.parent.map(str::to_owned),
            closed: class.deleted,
            vms: class.members,
            assured: class.assured,
            node: self.node_snapshot(class.node, now),
            waits: self.members.waits(class.name),
            namespaces: namespaces.collect(),
        }
    }

    fn node_snapshot(&self, node: NodeId, now: Tick) -> NodeSnapshot {
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

    /// The pool's bytes are withheld from this leaf: its demand waits outside the tree.
    fn waiting_withheld(&self, vm: &Vm, owed: u64) -> Option<Waiting> {
        let limit_since = self.degraded.filter(|_| owed > 0 && self.is_withheld(vm.leaf))?;
        Some(Waiting { since: vm.degraded_since.unwrap_or(limit_since), limit: LimitAt::Supply, limit_since })
    }

    fn level(&self, leaf: NodeId, node: NodeId) -> Level {
        if node == leaf {
            Level::Vm
        } else if node == self.shaper.tree().root() {
            Level::Pool
        } else {
            let classes = self.shaper.classes_above(leaf);
            let class = classes.into_iter().find(|class| class.node == node);
            class.map_or(Level::Namespace, |class| Level::Class(class.name.to_owned()))
        }
    }
}
