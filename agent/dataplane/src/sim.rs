//! The event loop without its thread and its clock: what a simulation turns by hand, in its own time.
//!
//! Everything else is the real thing: the sockets, what the kernel says of them, and every decision.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use htb::Tick;
use source::{Supply, SupplyError};

use crate::config::{AttachRequest, PoolConfig, SupplySpec};
use crate::core::apply;
use crate::core::handover::{HandoverOutcome, VmState};
use crate::core::state::DataPlane;
use crate::descriptors::Descriptors;
use crate::error::ApplyError;
use crate::error::{AttachError, DetachError, MoveError};
use crate::listener::{Listener, SocketOwner};
use crate::persist::CrashState;
use crate::poll::{Events, ring};
use crate::snapshot::Snapshot;
use crate::vm::PORTION;

/// As many VMs as anybody simulates.
const MAX_VMS: u64 = 10_000;

/// Records in a state file.
const RECORDS: usize = 4096;

/// Batches at one instant: more is a loop that never sleeps.
const MOST: u32 = 100_000;

/// A data plane at an instant that its owner names. It never sleeps and starts no thread.
#[derive(Debug)]
pub struct Simulated {
    plane: DataPlane,
    scratch: Vec<u8>,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many batches there were: none where there was nothing to do.
    pub batches: u32,
    /// When there is something to do though nothing happens.
    pub due: Option<Tick>,
}

/// What a supply rings when it has bytes again.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Has the next turn look at those who wait for bytes.
    pub fn wake(&self) {
        ring(&self.0);
    }
}

impl Simulated {
    /// A data plane that serves nothing yet.
    pub fn new() -> io::Result<Self> {
        Self::with_state(CrashState::default())
    }

    /// The same, with a state file at `path`: it goes on from what the one before noted there.
    pub fn with_crash_state(path: &Path) -> io::Result<Self> {
        Self::with_state(CrashState::open(path, RECORDS))
    }

    /// A data plane that obeys and does not serve, since another one still does: see [`take_over`](Self::take_over).
    pub fn successor(path: &Path) -> io::Result<Self> {
        let mut stage = Self::with_crash_state(path)?;
        stage.plane.paused = true;
        Ok(stage)
    }

    fn with_state(state: CrashState) -> io::Result<Self> {
        Ok(Self { plane: DataPlane::new(Descriptors::for_vms(MAX_VMS), state)?, scratch: vec![0; PORTION] })
    }

    /// As [`Server::settle`](crate::Server::settle).
    pub fn discard_unclaimed(&mut self) {
        self.plane.publish_state();
    }

    /// What its supplies ring.
    pub fn waker(&self) -> Waker {
        Waker(self.plane.poll.bell())
    }

    /// As [`Server::apply`](crate::Server::apply), with supplies of the caller's making.
    pub fn apply(
        &mut self,
        pools: Vec<PoolConfig>,
        supply: impl FnMut(&SupplySpec) -> Result<Supply, SupplyError>,
        now: Tick,
    ) -> Result<(), ApplyError> {
        let pools = apply::prepare(pools, &self.plane.supplies(), supply, now)?;
        self.plane.apply(pools, now);
        Ok(())
    }

    /// As [`Server::attach`](crate::Server::attach), with a socket at `path`.
    pub fn attach(&mut self, attach: AttachRequest, path: &Path, now: Tick) -> Result<(), AttachError> {
        let vm = self.plane.admit(attach, now)?;
        let served = Listener::open(path, SocketOwner::default())
            .map_err(AttachError::Listen)
            .and_then(|listener| self.plane.serve(vm, listener));
        served.inspect_err(|_| drop(self.plane.detach(vm, now)))
    }

    /// As [`Server::detach`](crate::Server::detach).
    pub fn detach(&mut self, id: &str, now: Tick) -> Result<(), DetachError> {
        let unknown = || DetachError::UnknownVm { id: id.to_owned() };
        let vm = self.plane.vm_named(id).ok_or_else(unknown)?;
        self.plane.detach(vm, now);
        Ok(())
    }

    /// As [`Server::move_vm`](crate::Server::move_vm).
    pub fn move_vm(&mut self, id: &str, class: &str, now: Tick) -> Result<(), MoveError> {
        self.plane.move_vm(id, class, now)
    }

    /// As [`Server::hand_over`](crate::Server::hand_over).
    pub fn hand_over(
        &mut self,
        hand: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome,
        now: Tick,
    ) -> HandoverOutcome {
        self.plane.hand_over(hand, now)
    }

    /// As [`Server::expect`](crate::Server::expect) and [`Server::inherit`](crate::Server::inherit), with the sockets in
    /// `socket_dir`.
    pub fn restore_connections(
        &mut self,
        wanted: BTreeMap<String, AttachRequest>,
        left: Vec<VmState<OwnedFd>>,
        socket_dir: &Path,
        now: Tick,
    ) -> Vec<(String, AttachError)> {
        let failed = self.plane.expect(wanted, now);
        self.plane.inherit_all(left, socket_dir, now);
        failed
    }

    /// As [`Server::take_over`](crate::Server::take_over); gives those that were left no socket.
    pub fn resume_serving(&mut self) -> Vec<String> {
        self.plane.own().into_iter().map(|(_, id)| id).collect()
    }

    /// Does all that there is to do at this instant.
    ///
    /// # Panics
    /// If that has no end.
    pub fn step(&mut self, now: Tick) -> Step {
        let mut events = Events::new();
        for batches in 0..MOST {
            self.plane.poll.wait(&mut events, true).expect("epoll waits on descriptors of ours");
            let due = self.plane.due();
            let quiet = events.iter().next().is_none() && !self.plane.is_busy();
            if quiet && due.is_none_or(|due| due > now) {
                return Step { batches, due };
            }
            self.plane.batch(&events, &mut self.scratch, || now);
        }
        panic!("the loop does not come to rest at {now:?}");
    }

    /// Everything as it is.
    pub fn snapshot(&self, now: Tick) -> Snapshot {
        self.plane.snapshot(now)
    }

    /// The process dies: the kernel closes what it had open, and nothing else happens.
    pub fn crash(mut self) {
        let keys: Vec<_> = self.plane.vms.iter().map(|(key, _)| key).collect();
        for key in keys {
            let listener = self.plane.vms.get_mut(key).and_then(|vm| vm.listener.take());
            listener.into_iter().for_each(Listener::abandon);
        }
    }
}
