//! Saving what the buckets hold for a successor after a crash, and restoring it.

use htb::{BucketLevels, NodeId, Tick};

use super::state::DataPlane;
use crate::persist::{BucketStateFile, RecordName, RecordOwner, Recovered};
use crate::pool::ServedPool;
use crate::slab::Key;
use crate::vm::ClientBehaviour;

impl DataPlane {
    /// Saves what the last grants left, before any of their bytes is written: a crash forgets only what was not served.
    pub(super) fn save_levels(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            if let Some((_, pool)) = self.pools.slot_mut(slot) {
                pool.records.save_charged(pool.shaper.tree(), &mut self.bucket_state_file, now);
            }
        }
    }

    /// Restores the classes and namespaces of a pool that have no record yet, and gives them one.
    pub(super) fn register_nodes(&mut self, key: Key, now: Tick) {
        if let Some(pool) = self.pools.get_mut(key) {
            for (node, owner) in pool.unrecorded() {
                pool.restore_node(node, owner, &mut self.bucket_state_file, now);
            }
        }
    }

    /// The parameters of a pool have changed. What was earned so far was earned by the old ones, so it is saved.
    pub(super) fn save_pool(&mut self, key: Key, now: Tick) {
        if let Some(pool) = self.pools.get_mut(key) {
            pool.records.save_all(pool.shaper.tree(), &mut self.bucket_state_file, now);
        }
        self.register_nodes(key, now);
    }

    /// Restores all nodes of a pool from the predecessor's last records.
    pub(super) fn restore_pool(&mut self, key: Key, now: Tick) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let old = std::mem::take(&mut pool.records);
        for (node, owner) in pool.unrecorded() {
            pool.restore_node(node, owner, &mut self.bucket_state_file, now);
        }
        old.release_all(&mut self.bucket_state_file);
    }

    /// Restores the leaf of a VM, and whether the VM may be served unsolicited.
    pub(super) fn register_vm(&mut self, key: Key, now: Tick) {
        let Some(vm) = self.vms.get_mut(key) else { return };
        let Some(pool) = self.pools.get_mut(vm.pool) else { return };
        let name = RecordName::Vm { pool: &pool.config.name, namespace: &vm.namespace, id: &vm.id };
        let recovered = pool.restore_node(vm.leaf, name.owner(), &mut self.bucket_state_file, now);
        vm.only_reads = recovered.is_none_or(|recovered| recovered.unsolicited);
        // Only the first VM of a namespace adds another node.
        if let Some(node) = pool.shaper.namespace_node(vm.leaf)
            && pool.records.slot(node).is_none()
        {
            let class = pool.shaper.class_of(vm.leaf);
            let name = RecordName::Namespace { pool: &pool.config.name, class, namespace: &vm.namespace };
            pool.restore_node(node, name.owner(), &mut self.bucket_state_file, now);
        }
    }

    /// Removes a pool, and its records.
    pub(super) fn remove_pool(&mut self, key: Key) {
        if let Some(pool) = self.pools.remove(key) {
            pool.records.release_all(&mut self.bucket_state_file);
        }
    }

    /// Classifies a connection by what its peer has sent so far, and updates its VM.
    pub(super) fn update_behaviour(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (before, vm) = (connection.behaviour, connection.vm);
        connection.behaviour = ClientBehaviour::of(connection.session());
        if connection.behaviour != before {
            self.update_vm_behaviour(vm);
        }
    }

    fn update_vm_behaviour(&mut self, key: Key) {
        let Self { pools, vms, connections, bucket_state_file, .. } = self;
        let Some(vm) = vms.get_mut(key) else { return };
        let has = |behaviour| {
            let mut all = vm.connections.iter().filter_map(|key| connections.get(key));
            all.any(|connection| connection.behaviour == behaviour)
        };
        // If one connection reads as QEMU does, another is a tool. So it may be where one is silent: a QEMU whose request
        // was lost with its last connection sends nothing until it has been served.
        let only_reads = has(ClientBehaviour::Reads) || (vm.only_reads && has(ClientBehaviour::Silent));
        if std::mem::replace(&mut vm.only_reads, only_reads) != only_reads
            && let Some(slot) = pools.get(vm.pool).and_then(|pool| pool.records.slot(vm.leaf))
        {
            bucket_state_file.save_unsolicited(slot, only_reads);
        }
    }

    /// Replaces the predecessor's file: everything in it has been restored.
    pub(crate) fn publish_bucket_state(&mut self) {
        self.bucket_state_file.publish();
    }
}

impl ServedPool {
    /// The inner nodes without a record.
    fn unrecorded(&self) -> Vec<(NodeId, RecordOwner)> {
        let pool = self.config.name.as_str();
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

    fn restore_node(
        &mut self,
        node: NodeId,
        owner: RecordOwner,
        state: &mut BucketStateFile,
        now: Tick,
    ) -> Option<Recovered> {
        let recovered = state.recovered(owner);
        if let Some(Recovered { levels, .. }) = recovered {
            // Where the levels are unknown, everything allowed counts as spent.
            let (levels, at) = levels.unwrap_or((BucketLevels::default(), now));
            self.shaper.tree_mut().restore(node, levels, at, now);
        }
        let unsolicited = recovered.is_none_or(|recovered| recovered.unsolicited);
        let slot = state.allocate(owner, self.shaper.tree().levels(node, now), unsolicited, now);
        self.records.set(node, slot, state);
        recovered
    }
}
