//! New connections.

use std::os::fd::OwnedFd;

use htb::Tick;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{SocketFlags, accept_with};

use crate::address::Address;
use crate::clock::SECOND;
use crate::connection::Connection;
use crate::listener_tcp;
use crate::poll::Token;
use crate::slab::Key;
use crate::state::DataPlane;

/// Connections taken from one socket in a batch: one that connects and closes in a loop waits its turn.
const AT_ONCE: usize = 8;

/// What a peer that does not read can pin in the kernel, and what it is charged for bytes that it never takes. The
/// kernel doubles what it is told, and takes no less. Against its default of 208 KiB no cost was measured: with 64 VMs
/// each asking for 16 times 255 bytes at once, CPU per request was 1.10 against 1.13 times the raw floor's.
const SEND_BUFFER: usize = 4608 / 2;

impl DataPlane {
    /// Takes the connections of all sockets that have some.
    pub(crate) fn accept_all(&mut self, now: Tick) {
        if self.work.starved_until.is_some_and(|due| due <= now) {
            self.work.starved_until = None;
            self.work.accept.append(&mut self.work.starved);
        }
        while let Some(vm) = self.work.accept_late.pop(now) {
            self.vms.get_mut(vm).into_iter().for_each(|vm| vm.late.due());
            self.work.accept.push(vm);
        }
        let count = self.work.accept.len();
        for at in 0..count {
            let vm = self.work.accept[at];
            self.accept(vm, now);
        }
        self.work.accept.drain(..count);
    }

    fn accept(&mut self, vm: Key, now: Tick) {
        for _ in 0..AT_ONCE {
            let Some(entry) = self.vms.get_mut(vm) else { return };
            let due = entry.accepts_at(now);
            if due > now {
                if entry.late.wait() {
                    self.work.accept_late.insert(due, vm);
                }
                return;
            }
            let Some(listener) = entry.listener.as_ref() else { return };
            match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.welcome(socket, vm, now),
                Err(Errno::AGAIN) => return entry.late.nobody(),
                // The peer has gone again, or a signal came.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(errno) => return self.starve(vm, errno, now),
            }
        }
        // The edge is ours now: whoever is left in the queue makes no new one.
        self.work.accept.push(vm);
    }

    /// There is no descriptor, or no memory. Tried again when a connection ends, or in a second.
    fn starve(&mut self, vm: Key, errno: Errno, now: Tick) {
        self.counters.accept_starved += 1;
        if self.work.starved.is_empty() {
            tracing::warn!(error = %errno, "connections wait: the process has no descriptor for them");
        }
        self.work.starved.push(vm);
        self.work.starved_until.get_or_insert(now.after(SECOND));
    }

    fn welcome(&mut self, socket: OwnedFd, vm_key: Key, now: Tick) {
        if let Err(errno) = set_socket_send_buffer_size(&socket, SEND_BUFFER) {
            tracing::debug!(error = %errno, "a send buffer keeps its size");
        }
        let Some(vm) = self.vms.get_mut(vm_key) else { return };
        if vm.listener.as_ref().is_some_and(|listener| matches!(listener.address(), Address::Tcp(_))) {
            listener_tcp::hurry(&socket);
        }
        self.counters.limit_hits.delayed += u64::from(vm.late.waits());
        vm.accepted(now);
        let unsolicited = vm.pushes(now);
        let key = self.connections.insert(Connection::new(socket, vm_key, unsolicited));
        let Some(connection) = self.connections.get(key) else { return };
        if let Err(error) = self.poll.watch(connection, Token::Connection(key)) {
            tracing::warn!(%error, "a connection cannot be watched and is closed");
            self.connections.remove(key);
            return;
        }
        self.counters.accepted += 1;
        self.list_to_push(key);
        let oldest = self.vms.get_mut(vm_key).and_then(|vm| vm.connections.add(key));
        if let Some(oldest) = oldest {
            self.replace(oldest, now);
        }
        self.shed(now);
    }

    /// Keeps the descriptors that a VM needs for its one connection, and those of all else, from VMs that have
    /// several: whoever has most loses the oldest.
    pub(crate) fn shed(&mut self, now: Tick) {
        while self.descriptors.are_short(self.vms.len(), self.connections.len()) {
            let most = self.vms.iter().map(|(_, vm)| &vm.connections).max_by_key(|all| all.len());
            let Some(oldest) = most.filter(|all| all.len() > 1).and_then(|all| all.iter().next()) else {
                return;
            };
            self.replace(oldest, now);
        }
    }

    fn replace(&mut self, oldest: Key, now: Tick) {
        let Some((_, vm, _)) = self.parts(oldest) else { return };
        vm.limit_hits.replaced += 1;
        tracing::debug!(vm = vm.id, reason = "Replaced", "connection closed for a newer one");
        self.counters.limit_hits.replaced += 1;
        self.counters.closed.replaced += 1;
        self.remove(oldest, now);
    }
}
