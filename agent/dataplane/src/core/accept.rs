//! Accepting connections.

use std::os::fd::OwnedFd;

use htb::Tick;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{SocketFlags, accept_with};

use super::state::DataPlane;
use crate::clock::MILLISECOND;
use crate::config::Client;
use crate::connection::Connection;
use crate::listener::{self, Address};
use crate::slab::Key;
use crate::vm::QEMU_CONNECTIONS;

/// Connections accepted from one socket in a batch: a peer that connects and closes in a loop waits its turn.
const MAX_ACCEPTS: usize = 8;

/// When a VM, all of whose connections wait for answers, is looked at again: 100 ms.
const RETRY_FULL: u64 = 100 * MILLISECOND;

/// How many bytes a peer that does not read can pin in the kernel, and be charged for without reading them. The
/// kernel doubles the value, and has a minimum. Against its default of 208 KiB no cost was measured: with 64 VMs
/// each asking for 16 times 255 bytes at once, CPU per request was 1.10 against 1.13 times the raw floor's.
const SEND_BUFFER: usize = 4608 / 2;

impl DataPlane {
    /// Accepts from all sockets that have connections waiting.
    pub(super) fn accept_all(&mut self, now: Tick) {
        self.accepts.retry_due(now);
        while let Some(vm) = self.accepts.pop_delayed(now) {
            if let Some(entry) = self.vms.get_mut(vm) {
                entry.accept_delay.unlist();
            }
            self.accepts.push(vm);
        }
        let count = self.accepts.ready().len();
        for at in 0..count {
            let vm = self.accepts.ready()[at];
            self.accept(vm, now);
        }
        self.accepts.finish(count);
    }

    fn accept(&mut self, vm: Key, now: Tick) {
        let max_connections = self.max_connections(vm);
        for _ in 0..MAX_ACCEPTS {
            let Some(entry) = self.vms.get_mut(vm) else { return };
            let due = entry.next_accept(max_connections, now);
            if due > now {
                return self.delay_accept(vm, due);
            }
            if !self.has_room(vm) {
                return self.delay_accept(vm, now.after(RETRY_FULL));
            }
            let Some(entry) = self.vms.get_mut(vm) else { return };
            let Some(listener) = entry.listener.as_ref() else { return };
            match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.add_accepted(socket, vm, now),
                Err(Errno::AGAIN) => return entry.accept_delay.cancel(),
                // The peer has closed again, or a signal arrived.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(errno) => return self.starve(vm, errno, now),
            }
        }
        // Connections left in the backlog cause no new edge.
        self.accepts.push(vm);
    }

    fn delay_accept(&mut self, vm: Key, due: Tick) {
        if self.vms.get_mut(vm).is_some_and(|vm| vm.accept_delay.start()) {
            self.accepts.delay(vm, due);
        }
    }

    /// How many connections a VM may have at a time.
    pub(super) fn max_connections(&self, vm: Key) -> usize {
        let Some(vm) = self.vms.get(vm) else { return 0 };
        match vm.client {
            Client::Qemu => QEMU_CONNECTIONS,
            Client::Detect | Client::Egd => {
                self.pools.get(vm.pool).map_or(0, |pool| pool.max_connections(vm.leaf))
            }
        }
    }

    /// Whether a VM can have another connection: one more, or one in place of another. Its next one waits in the kernel as
    /// long as all that it has wait for answers. But the newest connection of a QEMU always gets in, since its others are
    /// those of tools, or of itself before it reconnected.
    fn has_room(&self, key: Key) -> bool {
        let Some(vm) = self.vms.get(key) else { return false };
        let first = vm.connections.len() == 0;
        let fits = vm.connections.len() < self.max_connections(key)
            && !self.descriptors.are_short(self.vms.len(), self.connections.len() + 1);
        first || fits || vm.client == Client::Qemu || self.replaceable(key).is_some()
    }

    /// There is no descriptor, or no memory. Retried when a connection closes, or in a second.
    fn starve(&mut self, vm: Key, errno: Errno, now: Tick) {
        self.counters.accept_starved += 1;
        if self.accepts.starve(vm, now) {
            tracing::warn!(error = %errno, "failed to accept connections; retrying when a descriptor is free");
        }
    }

    fn add_accepted(&mut self, socket: OwnedFd, vm_key: Key, now: Tick) {
        if let Err(errno) = set_socket_send_buffer_size(&socket, SEND_BUFFER) {
            tracing::debug!(error = %errno, "failed to set the size of a send buffer");
        }
        let max_connections = self.max_connections(vm_key);
        let Some(vm) = self.vms.get_mut(vm_key) else { return };
        if vm.listener.as_ref().is_some_and(|listener| matches!(listener.address(), Address::Tcp(_))) {
            listener::set_nodelay(&socket);
        }
        self.counters.limit_hits.delayed += u64::from(vm.accept_delay.is_waiting());
        vm.count_accept(max_connections, now);
        let unsolicited = vm.unsolicited_policy(now);
        let Some(key) = self.insert_connection(Connection::new(socket, vm_key, unsolicited)) else { return };
        self.counters.accepted += 1;
        self.connections.schedule_push(key);
        self.make_room(vm_key, max_connections, now);
        if let Some(vm) = self.vms.get_mut(vm_key) {
            vm.connections.add(key);
        }
        self.reclaim_descriptors(now);
    }

    /// Closes connections until there is room for one more. If fewer may be than there are, since the class has been edited,
    /// those that wait for answers stay.
    fn make_room(&mut self, key: Key, max_connections: usize, now: Tick) {
        while let Some(vm) = self.vms.get(key).filter(|vm| vm.connections.len() >= max_connections) {
            let replaced = match vm.client {
                Client::Qemu => self.oldest(key),
                Client::Detect | Client::Egd => self.replaceable(key),
            };
            let Some(replaced) = replaced else { return };
            self.close_replaced(replaced, now);
        }
    }
}
