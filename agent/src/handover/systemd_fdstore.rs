//! A hand-over through systemd's file descriptor store, for restarts in which the processes do not overlap: systemd is the
//! recipient of the process that ends, and the source of the one that starts.
//!
//! It stores descriptors by name: the sockets, and a memory file with the state that a successor would receive. A
//! connection stays open as long as systemd has a copy of it; so a process that takes the descriptors has systemd remove
//! them before it serves.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use dataplane::VmState;
use prost::Message as _;
use rustix::fs::{MemfdFlags, memfd_create};

use super::recipient::{HandoverError, Recipient};
use super::wire::{self, HandoverState, OwnState};
use crate::fd_packet::DESCRIPTORS;
use crate::sd_notify::{ServiceManager, is_closed};
use crate::supervisor::ListenFd;

const SOCKET: &str = "entropool-socket";
const STATE: &str = "entropool-estate";
/// A pipe, stored last: if there is no room for it, something may have been dropped.
const LAST: &str = "entropool-last";
const OURS: [&str; 3] = [SOCKET, STATE, LAST];

/// The service manager of this daemon as the recipient of a hand-over.
#[derive(Debug)]
pub(crate) struct SystemdFdStore(ServiceManager);

impl SystemdFdStore {
    /// The one that started this daemon, if any.
    pub(crate) fn here() -> Option<Self> {
        ServiceManager::here().map(Self)
    }

    fn store(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.0.notify_with_fds(&format!("FDSTORE=1\nFDNAME={name}"), descriptors)
    }

    fn store_all(
        &self,
        state: &proto::handover::HandoverState,
        sockets: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.request_removal()?;
        for chunk in sockets.chunks(DESCRIPTORS) {
            self.store(SOCKET, chunk)?;
        }
        self.store(STATE, &[memory_file(&state.encode_to_vec())?.as_fd()])?;
        let (ours, theirs) = io::pipe()?;
        self.store(LAST, &[theirs.as_fd()])?;
        drop(theirs);
        self.0.barrier()?;
        if is_closed(ours, Duration::ZERO)? {
            let wanted = sockets.len() + 2;
            let message = format!("it does not keep {wanted} descriptors: see FileDescriptorStoreMax=");
            return Err(io::Error::new(ErrorKind::QuotaExceeded, message));
        }
        Ok(())
    }

    fn request_removal(&self) -> io::Result<()> {
        OURS.iter().try_for_each(|name| self.0.notify(&format!("FDSTOREREMOVE=1\nFDNAME={name}")))
    }

    /// Removes all our descriptors. A connection that remains stored stays open for its peer after we close it.
    fn remove_all(&self) {
        if let Err(error) = self.request_removal().and_then(|()| self.0.barrier()) {
            tracing::warn!(%error, "the service manager may still keep old sockets");
        }
    }
}

impl Recipient for SystemdFdStore {
    type Receipt = ();

    fn offer(&self) -> Result<(), HandoverError> {
        Ok(())
    }

    fn refuse(self, _reason: &str) {}

    fn send(self, vms: &[VmState<BorrowedFd<'_>>], own: &OwnState) -> Result<(), HandoverError> {
        let (state, sockets) = wire::pack(vms, own);
        let stored = self.store_all(&state, &sockets);
        stored.inspect_err(|_| self.remove_all()).map_err(HandoverError::FdStoreFull)
    }
}

/// What a service manager has stored of a process that has ended.
#[derive(Debug)]
pub(crate) struct StoredHandover {
    store: SystemdFdStore,
    state: HandoverState,
}

impl StoredHandover {
    /// What was passed to this daemon at its start; `None` if that is not a complete state.
    pub(crate) fn of(passed: Vec<ListenFd>) -> Option<Self> {
        if passed.is_empty() {
            return None;
        }
        let found = read_state(passed);
        let store = SystemdFdStore::here()?;
        match found {
            Ok(state) => Some(Self { store, state }),
            Err(error) => {
                tracing::warn!(%error, "stored sockets cannot be used: starting without them");
                store.remove_all();
                None
            }
        }
    }

    /// The state, once.
    pub(super) fn take(&mut self) -> HandoverState {
        let stopped = self.state.stopped;
        std::mem::replace(
            &mut self.state,
            HandoverState { vms: Vec::new(), own: OwnState::default(), stopped },
        )
    }

    /// Removes everything from the store: this process is about to serve.
    pub(super) fn discard(self) {
        self.store.remove_all();
    }
}

/// The state in what was passed. Other descriptors are closed.
fn read_state(passed: Vec<ListenFd>) -> io::Result<HandoverState> {
    let mut sockets = Vec::new();
    let mut state = None;
    let mut foreign = Vec::new();
    for (name, descriptor) in passed {
        match &*name {
            SOCKET => sockets.push(descriptor),
            STATE => state = Some(descriptor),
            LAST => {}
            _ => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        tracing::warn!(
            names = foreign.join(" "),
            "the service manager passed unknown descriptors; they are closed"
        );
    }
    let state =
        state.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the state of the sockets is missing"))?;
    Ok(wire::unpack(decode(state)?, sockets))
}

fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(STATE, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

fn decode(state: OwnedFd) -> io::Result<proto::handover::HandoverState> {
    let (mut file, mut bytes) = (File::from(state), Vec::new());
    // The writer has left the offset at the end.
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    proto::handover::HandoverState::decode(bytes.as_slice()).map_err(io::Error::other)
}
