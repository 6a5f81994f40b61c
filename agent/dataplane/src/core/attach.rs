//! Virtual machines that come, move and go.

use htb::pool::AttachError as Admission;
use htb::{NodeId, Tick, Tree};

use crate::config::AttachRequest;
use crate::core::state::DataPlane;
use crate::error::names;
use crate::error::{AttachError, MoveError};
use crate::listener::Listener;
use crate::persist::RecordName;
use crate::poll::Token;
use crate::slab::Key;
use crate::vm::Vm;

impl DataPlane {
    /// Gives a VM its place in a class: all that can refuse it but the file system.
    pub(crate) fn admit(&mut self, attach: AttachRequest, now: Tick) -> Result<Key, AttachError> {
        if self.deadline.is_some() {
            return Err(AttachError::Stopping);
        }
        if self.ids.contains_key(&attach.id) {
            return Err(AttachError::AlreadyAttached { id: attach.id });
        }
        let vms = self.vms.len() as u64;
        if vms >= self.descriptors.vms() {
            return Err(AttachError::TooManyVms { vms, needed: crate::descriptors::needed(vms + 1) });
        }
        let unknown = || AttachError::UnknownPool { pool: attach.pool.clone(), pools: self.pool_names() };
        let pool = self.pool_named(&attach.pool).ok_or_else(unknown)?;
        let found = self.pools.get_mut(pool).expect("a pool that was found just now");
        let name = RecordName::Vm { pool: &attach.pool, namespace: &attach.namespace, id: &attach.id };
        let leaf = found.admit(&attach, self.state.served_before(name.owner()), now)?;
        let AttachRequest { id, namespace, client, .. } = attach;
        let key = self.vms.insert(Vm::new(id.clone(), namespace, client, pool, leaf));
        self.ids.insert(id, key);
        self.pools.get_mut(pool).into_iter().for_each(|pool| pool.set_member(leaf, key));
        self.enroll_vm(key, now);
        self.shed(now);
        Ok(key)
    }

    /// Serves an admitted VM at its socket. Who hears that it failed takes the VM away again.
    pub(crate) fn serve(&mut self, key: Key, listener: Listener) -> Result<(), AttachError> {
        if self.deadline.is_some() {
            return Err(AttachError::Stopping);
        }
        let Some(vm) = self.vms.get_mut(key) else { return Err(AttachError::Withdrawn) };
        let failed = |source| AttachError::Watch { id: vm.id.clone(), source };
        self.poll.watch(&listener, Token::Listener(key)).map_err(failed)?;
        vm.listener = Some(listener);
        Ok(())
    }

    /// Lets a VM go. Its socket's file is removed by whoever drops what this gives.
    pub(crate) fn detach(&mut self, key: Key, now: Tick) -> Option<Listener> {
        let keys: Vec<Key> = self.vms.get(key)?.connections.iter().collect();
        self.counters.closed.detached += keys.len() as u64;
        for key in keys {
            self.remove(key, now);
        }
        let vm = self.vms.remove(key)?;
        self.ids.remove(&vm.id);
        if let Some(pool) = self.pools.get_mut(vm.pool) {
            pool.records.release(vm.leaf, &mut self.state);
            let above = above(pool.shaper.tree(), vm.leaf);
            pool.release(vm.leaf, now);
            pool.records.prune(above, pool.shaper.tree(), &mut self.state);
            if pool.closed && pool.is_empty() {
                self.remove_pool(vm.pool);
            }
        }
        vm.listener
    }

    /// Moves a VM to another class of its pool, with its debt.
    pub(crate) fn move_vm(&mut self, id: &str, class: &str, now: Tick) -> Result<(), MoveError> {
        let unknown = || MoveError::UnknownVm { id: id.to_owned() };
        let vm = self.ids.get(id).and_then(|&key| self.vms.get(key)).ok_or_else(unknown)?;
        let pool = self.pools.get_mut(vm.pool).ok_or_else(unknown)?;
        if let Some((namespace, what)) = pool.refuses(&vm.namespace, class) {
            return Err(MoveError::NamespaceNotAllowed { namespace, what });
        }
        let above = above(pool.shaper.tree(), vm.leaf);
        pool.move_member(vm.leaf, class, now).map_err(|refused| match refused {
            Admission::UnknownClass { class } => {
                MoveError::UnknownClass { pool: pool.setup.name.clone(), class, classes: pool.class_names() }
            }
            refused => MoveError::Admission(refused),
        })?;
        let (key, degraded) = (vm.pool, pool.degraded.is_some());
        pool.records.prune(above, pool.shaper.tree(), &mut self.state);
        // What it has earned it earned at the rate of the class that it was in.
        pool.records.charge(pool.shaper.tree(), vm.leaf);
        self.enroll(key, now);
        self.note_levels(now);
        if degraded {
            self.ask_anew(key, now);
        }
        Ok(())
    }

    /// The VM of that id.
    pub(crate) fn vm_named(&self, id: &str) -> Option<Key> {
        self.ids.get(id).copied()
    }

    /// The pools that take VMs, with commas between them.
    fn pool_names(&self) -> String {
        let open = self.pools.iter().filter(|(_, pool)| !pool.closed).map(|(_, pool)| &*pool.setup.name);
        names(open)
    }

    /// The pool of that name.
    pub(crate) fn pool_named(&self, name: &str) -> Option<Key> {
        self.pools.iter().find(|(_, pool)| pool.setup.name == name).map(|(key, _)| key)
    }
}

/// The nodes above a leaf, which may go with it.
fn above(tree: &Tree, leaf: NodeId) -> Vec<NodeId> {
    std::iter::successors(tree.parent(leaf), |&node| tree.parent(node)).collect()
}
