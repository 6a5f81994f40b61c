//! Attaching, moving and detaching virtual machines.

use htb::pool::AdmissionError;
use htb::{NodeId, Tick, Tree};

use super::state::DataPlane;
use crate::config::AttachRequest;
use crate::descriptors;
use crate::error::{AttachError, MoveError, list};
use crate::listener::Listener;
use crate::persist::RecordName;
use crate::poll::Token;
use crate::slab::Key;
use crate::vm::Vm;

impl DataPlane {
    /// Gives a VM a leaf in its class: everything that can be refused apart from the socket.
    pub(crate) fn admit(&mut self, attach: AttachRequest, now: Tick) -> Result<Key, AttachError> {
        if self.drain_deadline.is_some() {
            return Err(AttachError::Stopping);
        }
        if self.vms.by_id(&attach.id).is_some() {
            return Err(AttachError::AlreadyAttached { id: attach.id });
        }
        let vms = self.vms.len() as u64;
        if vms >= self.descriptors.vms() {
            return Err(AttachError::TooManyVms { vms, needed: descriptors::needed(vms + 1) });
        }
        let unknown = || AttachError::UnknownPool { pool: attach.pool.clone(), pools: self.pool_names() };
        let pool = self.pools.by_name(&attach.pool).ok_or_else(unknown)?;
        let found = self.pools.get_mut(pool).expect("a pool that was just found");
        let name = RecordName::Vm { pool: &attach.pool, namespace: &attach.namespace, id: &attach.id };
        let leaf = found.admit(&attach, self.bucket_state_file.served_before(name.owner()), now)?;
        let AttachRequest { id, namespace, client, .. } = attach;
        let key = self.vms.insert(Vm::new(id, namespace, client, pool, leaf));
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.set_member(leaf, key);
        }
        self.register_vm(key, now);
        self.reclaim_descriptors(now);
        Ok(key)
    }

    /// Serves an admitted VM at its socket. If this fails, the caller detaches the VM.
    pub(crate) fn serve(&mut self, key: Key, listener: Listener) -> Result<(), AttachError> {
        if self.drain_deadline.is_some() {
            return Err(AttachError::Stopping);
        }
        let Some(vm) = self.vms.get_mut(key) else { return Err(AttachError::Withdrawn) };
        let failed = |source| AttachError::Watch { id: vm.id.clone(), source };
        self.poll.add(&listener, Token::Listener(key)).map_err(failed)?;
        vm.listener = Some(listener);
        self.store_listener(key);
        Ok(())
    }

    /// Detaches a VM. Its socket's file is removed when the returned listener is dropped.
    pub(crate) fn detach(&mut self, key: Key, now: Tick) -> Option<Listener> {
        let keys: Vec<Key> = self.vms.get(key)?.connections.iter().collect();
        self.counters.closed.detached += keys.len() as u64;
        for key in keys {
            self.remove_connection(key, now);
        }
        let vm = self.vms.remove(key)?;
        if let Some(record) = vm.listener_record {
            self.store.release(record);
        }
        if let Some(pool) = self.pools.get_mut(vm.pool) {
            pool.records.release(vm.leaf, &mut self.bucket_state_file);
            let ancestors = ancestors(pool.shaper.tree(), vm.leaf);
            pool.remove_member(vm.leaf, now);
            pool.records.prune(ancestors, pool.shaper.tree(), &mut self.bucket_state_file);
            if pool.closed && pool.is_empty() {
                self.remove_pool(vm.pool);
            }
        }
        vm.listener
    }

    /// Moves a VM to another class of its pool, with its debt.
    pub(crate) fn move_vm(&mut self, id: &str, class: &str, now: Tick) -> Result<(), MoveError> {
        let unknown = || MoveError::UnknownVm { id: id.to_owned() };
        let vm = self.vms.by_id(id).and_then(|key| self.vms.get(key)).ok_or_else(unknown)?;
        let pool = self.pools.get_mut(vm.pool).ok_or_else(unknown)?;
        if let Some((namespace, what)) = pool.refusal(&vm.namespace, class) {
            return Err(MoveError::NamespaceNotAllowed { namespace, what });
        }
        let ancestors = ancestors(pool.shaper.tree(), vm.leaf);
        pool.move_member(vm.leaf, class, now).map_err(|refused| match refused {
            AdmissionError::UnknownClass { class } => {
                MoveError::UnknownClass { pool: pool.config.name.clone(), class, classes: pool.class_names() }
            }
            refused => MoveError::Admission(refused),
        })?;
        let (key, degraded) = (vm.pool, pool.degraded.is_some());
        pool.records.prune(ancestors, pool.shaper.tree(), &mut self.bucket_state_file);
        // Its tokens so far were earned at the rate of its former class.
        pool.records.mark_charged(pool.shaper.tree(), vm.leaf);
        self.register_nodes(key, now);
        self.save_levels(now);
        if degraded {
            self.requeue_demand(key, now);
        }
        Ok(())
    }

    pub(crate) fn vm_by_id(&self, id: &str) -> Option<Key> {
        self.vms.by_id(id)
    }

    /// The pools that take VMs, separated by commas.
    fn pool_names(&self) -> String {
        list(self.pools.open().map(|pool| &*pool.config.name))
    }
}

/// The nodes above a leaf, some of which may be removed with it.
fn ancestors(tree: &Tree, leaf: NodeId) -> Vec<NodeId> {
    std::iter::successors(tree.parent(leaf), |&node| tree.parent(node)).collect()
}
