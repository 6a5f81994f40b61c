//! Where old and new do not overlap: a service manager keeps everything while nobody runs, and so plays the successor
//! of the one and the predecessor of the other.
//!
//! It keeps descriptors, by names: the sockets, and a file in memory that says whose each of them is, as a successor
//! would be told. As long as it has them no connection ends, whoever else closes it; so a process that takes them has
//! it forget them before it serves.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use dataplane::VmState;
use prost::Message as _;
use rustix::fs::{MemfdFlags, memfd_create};

use super::predecessor::PredecessorGuard;
use super::wire::{self, HandoverState, Sockets};
use super::{HandoverError, Recipient};
use crate::sd_notify::{DESCRIPTORS, ServiceManager, is_closed};
use crate::supervisor::ListenFd;

const SOCKET: &str = "entropool-socket";
const ESTATE: &str = "entropool-estate";
/// A pipe that nobody writes to, kept last: what has no room for it had none for something.
const LAST: &str = "entropool-last";
const OURS: [&str; 3] = [SOCKET, ESTATE, LAST];

/// A service manager that may keep what this process has.
#[derive(Debug)]
pub struct SystemdFdStore(ServiceManager);

impl SystemdFdStore {
    /// That of whoever started this daemon, if that wants to hear of it.
    pub fn here() -> Option<Self> {
        ServiceManager::here().map(Self)
    }

    fn keep(&self, name: &str, what: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.0.tell(&format!("FDSTORE=1\nFDNAME={name}"), what)
    }

    fn keep_all(
        &self,
        estate: &proto::handover::HandoverState,
        sockets: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.ask_to_forget()?;
        for some in sockets.chunks(DESCRIPTORS) {
            self.keep(SOCKET, some)?;
        }
        self.keep(ESTATE, &[file(&estate.encode_to_vec())?.as_fd()])?;
        let (ours, theirs) = io::pipe()?;
        self.keep(LAST, &[theirs.as_fd()])?;
        drop(theirs);
        self.0.barrier()?;
        if is_closed(ours, Duration::ZERO)? {
            let wanted = sockets.len() + 2;
            let sentence = format!("it does not keep {wanted} descriptors: see FileDescriptorStoreMax=");
            return Err(io::Error::new(ErrorKind::QuotaExceeded, sentence));
        }
        Ok(())
    }

    fn ask_to_forget(&self) -> io::Result<()> {
        OURS.iter().try_for_each(|name| self.0.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]))
    }

    /// Has it forget all of ours. Whatever it holds on to, no connection of ours ends for its peer.
    fn forget(&self) {
        if let Err(error) = self.ask_to_forget().and_then(|()| self.0.barrier()) {
            tracing::warn!(%error, "the service manager may still keep sockets of before");
        }
    }
}

impl Recipient for SystemdFdStore {
    type Heir = ();

    fn offer(&self) -> Result<(), HandoverError> {
        Ok(())
    }

    fn refuse(self, _why: &str) {}

    fn give(self, vms: &[VmState<BorrowedFd<'_>>], own: &Sockets) -> Result<(), HandoverError> {
        let (estate, sockets) = wire::pack(vms, own);
        let kept = self.keep_all(&estate, &sockets);
        kept.inspect_err(|_| self.forget()).map_err(HandoverError::FdStoreFull)
    }
}

/// What a service manager kept of a process that has ended.
#[derive(Debug)]
pub struct StoredHandover {
    store: SystemdFdStore,
    estate: HandoverState,
}

impl StoredHandover {
    /// What was passed to this daemon at its start; `None` if that is nothing to go on from.
    pub fn of(passed: Vec<ListenFd>) -> Option<Self> {
        if passed.is_empty() {
            return None;
        }
        let found = sort(passed);
        let store = SystemdFdStore::here()?;
        match found {
            Ok(estate) => Some(Self { store, estate }),
            Err(error) => {
                tracing::warn!(%error, "nothing was kept over the restart; this is a new start");
                store.forget();
                None
            }
        }
    }

    /// Everything, once.
    pub(super) fn estate(&mut self) -> HandoverState {
        let stopped = self.estate.stopped;
        std::mem::replace(
            &mut self.estate,
            HandoverState { vms: Vec::new(), sockets: Sockets::default(), stopped },
        )
    }

    /// This process is about to serve: from now on nobody else has it.
    pub(super) fn done(self) -> PredecessorGuard {
        self.store.forget();
        PredecessorGuard(None)
    }
}

/// The estate that is in what was passed. The rest is closed.
fn sort(passed: Vec<ListenFd>) -> io::Result<HandoverState> {
    let (mut sockets, mut left, mut foreign) = (Vec::new(), None, Vec::new());
    for (name, descriptor) in passed {
        match &*name {
            SOCKET => sockets.push(descriptor),
            ESTATE => left = Some(descriptor),
            LAST => {}
            _ => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        tracing::warn!(
            names = foreign.join(" "),
            "the service manager passes what is not ours; it is closed"
        );
    }
    let left =
        left.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "nothing says whose the sockets are"))?;
    Ok(wire::unpack(read(left)?, sockets))
}

fn file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(ESTATE, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

fn read(left: OwnedFd) -> io::Result<proto::handover::HandoverState> {
    let (mut file, mut bytes) = (File::from(left), Vec::new());
    // Whoever wrote it has left it at its end.
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    proto::handover::HandoverState::decode(bytes.as_slice()).map_err(io::Error::other)
}
