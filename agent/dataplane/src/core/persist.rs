//! What the buckets hold, noted for the process that comes after a crash, and taken up by it.

use htb::{BucketLevels, NodeId, Tick};

use crate::core::state::DataPlane;
use crate::persist::{CrashState, RecordName, RecordOwner, Recovered};
use crate::pool::Pool;
use crate::slab::Key;
use crate::vm::ClientBehaviour;

impl DataPlane {
    /// Notes what the last grants left, before any of their bytes goes out: what a crash forgets was not served.
    pub(crate) fn note_levels(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            let Some(pool) = self.pools.key(slot).and_then(|key| self.pools.get_mut(key)) else { continue };
            pool.records.note(pool.shaper.tree(), &mut self.state, now);
        }
    }

    /// Has the classes and namespaces of a pool that are new go on from where the process before left them.
    pub(crate) fn enroll(&mut self, key: Key, now: Tick) {
        let Self { pools, state, .. } = self;
        let Some(pool) = pools.get_mut(key) else { return };
        for (node, owner) in pool.unrecorded() {
            pool.take_up(node, owner, state, now);
        }
    }

    /// The parameters of a pool have changed.
    pub(crate) fn refresh(&mut self, key: Key, now: Tick) {
        let Self { pools, state, .. } = self;
        if let Some(pool) = pools.get_mut(key) {
            pool.records.refresh(pool.shaper.tree(), state, now);
        }
        self.enroll(key, now);
    }

    /// Has all classes of a pool go on from what the process before noted last.
    pub(crate) fn retake(&mut self, key: Key, now: Tick) {
        let Self { pools, state, .. } = self;
        let Some(pool) = pools.get_mut(key) else { return };
        let records = std::mem::take(&mut pool.records);
        for (node, owner) in pool.unrecorded() {
            pool.take_up(node, owner, state, now);
        }
        records.slots.into_iter().flatten().for_each(|(_, slot)| state.release(slot));
    }

    /// The same for the leaf of a VM; whether that may be served unsolicited.
    pub(crate) fn enroll_vm(&mut self, key: Key, now: Tick) {
        let Self { pools, vms, state, .. } = self;
        let Some(vm) = vms.get_mut(key) else { return };
        let Some(pool) = pools.get_mut(vm.pool) else { return };
        let name = RecordName::Vm { pool: &pool.setup.name, namespace: &vm.namespace, id: &vm.id };
        vm.only_reads = pool.take_up(vm.leaf, name.owner(), state, now).is_none_or(|known| known.unsolicited);
        // Looking at all of them costs more with each VM, and only the first of a namespace brings a node with it.
        let group = pool.shaper.tree().parent(vm.leaf);
        if group.is_some_and(|group| pool.records.slot(group).is_none()) {
            let key = vm.pool;
            self.enroll(key, now);
        }
    }

    /// Lets a pool go, and its records.
    pub(crate) fn remove_pool(&mut self, key: Key) {
        let slots = self.pools.remove(key).map(|pool| pool.records.slots);
        slots.into_iter().flatten().flatten().for_each(|(_, slot)| self.state.release(slot));
    }

    /// Looks how a connection has spoken so far, and notes what follows for those that its VM makes.
    pub(crate) fn judge(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (before, vm) = (connection.behaviour, connection.vm);
        connection.behaviour = ClientBehaviour::of(connection.session());
        if connection.behaviour != before {
            self.judge_vm(vm);
        }
    }

    fn judge_vm(&mut self, key: Key) {
        let Self { pools, vms, connections, state, .. } = self;
        let Some(vm) = vms.get_mut(key) else { return };
        let has = |manner| {
            vm.connections.iter().any(|key| connections.get(key).is_some_and(|it| it.behaviour == manner))
        };
        // Where one reads as QEMU does, the other is a tool. So it may be where one is silent: a QEMU whose request
        // went down with the last connection says nothing until it has been served.
        let only_reads = has(ClientBehaviour::Reads) || (vm.only_reads && has(ClientBehaviour::Silent));
        if std::mem::replace(&mut vm.only_reads, only_reads) != only_reads
            && let Some(slot) = pools.get(vm.pool).and_then(|pool| pool.records.slot(vm.leaf))
        {
            state.permit(slot, only_reads);
        }
    }

    /// All that was there before has been taken up.
    pub(crate) fn publish_state(&mut self) {
        self.state.publish();
    }
}

impl Pool {
    /// The inner nodes that have no record.
    fn unrecorded(&self) -> Vec<(NodeId, RecordOwner)> {
        let pool = self.setup.name.as_str();
        let mut nodes = Vec::new();
        let mut add = |node, name: RecordName<'_>| {
            if self.records.slot(node).is_none() {
                nodes.push((node, name.owner()));
            }
        };
        add(self.shaper.tree().root(), RecordName::Root { pool });
        for class in self.shaper.classes() {
            add(class.node, RecordName::Class { pool, class: class.name });
            for namespace in self.shaper.namespaces(class.name) {
                if let Some(node) = namespace.node {
                    add(node, RecordName::Namespace { pool, class: class.name, namespace: namespace.name });
                }
            }
        }
        nodes
    }

    fn take_up(
        &mut self,
        node: NodeId,
        owner: RecordOwner,
        state: &mut CrashState,
        now: Tick,
    ) -> Option<Recovered> {
        let known = state.known(owner);
        if let Some(Recovered { held, .. }) = known {
            // Of whom nothing can be told has had all that it may.
            let (levels, at) = held.unwrap_or((BucketLevels::default(), now));
            self.shaper.tree_mut().restore(node, levels, at, now);
        }
        let unsolicited = known.is_none_or(|known| known.unsolicited);
        let slot = state.claim(owner, self.shaper.tree().levels(node, now), unsolicited, now);
        self.records.set(node, slot, state);
        known
    }
}
