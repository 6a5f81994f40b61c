//! The event loop without its thread and its clock: a simulation runs it step by step, in virtual time.
//!
//! Everything else is real: the sockets, what the kernel reports of them, and every decision.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use htb::Tick;
use source::{Supply, SupplyError};

use crate::config::{AttachRequest, PoolConfig, SupplySpec};
use crate::core::{DataPlane, HandoverOutcome, Heartbeat, StoredSockets, VmState, prepare};
use crate::descriptors::Descriptors;
use crate::error::{ApplyError, AttachError, DetachError, MoveError};
use crate::listener::{Listener, SocketOwner};
use crate::persist::{BucketStateFile, ReadBuffer};
use crate::poll::{LoopWaker, PollEvents};
use crate::snapshot::DataPlaneSnapshot;

/// More VMs than any simulation has.
const MAX_VMS: u64 = 10_000;

/// Records in a state file.
const MAX_RECORDS: usize = 4096;

/// Batches at one instant: with more the loop never sleeps.
const MAX_BATCHES: u32 = 100_000;

/// A data plane at an instant that its owner chooses. It never sleeps and starts no thread.
#[derive(Debug)]
pub struct Simulated {
    data_plane: DataPlane,
    buffer: ReadBuffer,
}

/// The outcome of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Batches that were run: none if there was nothing to do.
    pub batches: u32,
    /// When there is work without an event.
    pub due: Option<Tick>,
}

/// Wakes the loop when a supply has bytes again.
#[derive(Clone, Debug)]
pub struct Waker(LoopWaker);

impl Waker {
    /// Has the next step retry everything that waits for bytes.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl Simulated {
    /// A data plane without pools and VMs.
    pub fn new() -> io::Result<Self> {
        Self::with(BucketStateFile::default(), false)
    }

    /// As [`new`](Self::new), with a state file at `path`, restored from what the previous process saved there.
    pub fn with_bucket_state_file(path: &Path) -> io::Result<Self> {
        Self::with(BucketStateFile::open(path, MAX_RECORDS), false)
    }

    /// A paused data plane, while its predecessor still serves: see [`resume_serving`](Self::resume_serving).
    pub fn successor(path: &Path) -> io::Result<Self> {
        Self::with(BucketStateFile::open(path, MAX_RECORDS), true)
    }

    fn with(bucket_state_file: BucketStateFile, paused: bool) -> io::Result<Self> {
        let descriptors = Descriptors::for_vms(MAX_VMS);
        let data_plane = DataPlane::new(
            descriptors,
            bucket_state_file,
            Heartbeat::default(),
            StoredSockets::default(),
            paused,
        )?;
        Ok(Self { data_plane, buffer: ReadBuffer::anonymous()? })
    }

    /// As [`DataPlaneHandle::discard_unclaimed`](crate::DataPlaneHandle::discard_unclaimed).
    pub fn discard_unclaimed(&mut self) {
        self.data_plane.publish_bucket_state();
    }

    /// The waker of its supplies.
    pub fn waker(&self) -> Waker {
        Waker(self.data_plane.waker())
    }

    /// As [`DataPlaneHandle::apply`](crate::DataPlaneHandle::apply), with supplies of the caller.
    pub fn apply(
        &mut self,
        pools: Vec<PoolConfig>,
        supply: impl FnMut(&SupplySpec) -> Result<Supply, SupplyError>,
        now: Tick,
    ) -> Result<(), ApplyError> {
        let pools = prepare(pools, &self.data_plane.supply_specs(), supply, now)?;
        self.data_plane.apply(pools, now);
        Ok(())
    }

    /// As [`DataPlaneHandle::attach`](crate::DataPlaneHandle::attach), with a socket at `path`.
    pub fn attach(&mut self, attach: AttachRequest, path: &Path, now: Tick) -> Result<(), AttachError> {
        let vm = self.data_plane.admit(attach, now)?;
        let served = Listener::open(path, SocketOwner::default())
            .map_err(AttachError::Listen)
            .and_then(|listener| self.data_plane.serve(vm, listener));
        served.inspect_err(|_| drop(self.data_plane.detach(vm, now)))
    }

    /// As [`DataPlaneHandle::detach`](crate::DataPlaneHandle::detach).
    pub fn detach(&mut self, id: &str, now: Tick) -> Result<(), DetachError> {
        let unknown = || DetachError::UnknownVm { id: id.to_owned() };
        let vm = self.data_plane.vm_by_id(id).ok_or_else(unknown)?;
        self.data_plane.detach(vm, now);
        Ok(())
    }

    /// As [`DataPlaneHandle::move_vm`](crate::DataPlaneHandle::move_vm).
    pub fn move_vm(&mut self, id: &str, class: &str, now: Tick) -> Result<(), MoveError> {
        self.data_plane.move_vm(id, class, now)
    }

    /// As [`DataPlaneHandle::hand_over`](crate::DataPlaneHandle::hand_over).
    pub fn hand_over(
        &mut self,
        transfer: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome,
        now: Tick,
    ) -> HandoverOutcome {
        self.data_plane.hand_over(transfer, now)
    }

    /// As [`DataPlaneHandle::register_expected`](crate::DataPlaneHandle::register_expected) and then
    /// [`DataPlaneHandle::restore_connections`](crate::DataPlaneHandle::restore_connections), with the sockets in
    /// `socket_dir`.
    pub fn restore_connections(
        &mut self,
        wanted: BTreeMap<String, AttachRequest>,
        received: Vec<VmState<OwnedFd>>,
        socket_dir: &Path,
        now: Tick,
    ) -> Vec<(String, AttachError)> {
        let failed = self.data_plane.register_expected(wanted, now);
        self.data_plane.restore_connections(received, socket_dir, now);
        failed
    }

    /// As [`DataPlaneHandle::resume_serving`](crate::DataPlaneHandle::resume_serving); returns the VMs without a socket.
    pub fn resume_serving(&mut self) -> Vec<String> {
        self.data_plane.resume_serving().into_iter().map(|(_, id)| id).collect()
    }

    /// Does everything that is to be done at this instant.
    ///
    /// # Panics
    /// If that never ends.
    pub fn step(&mut self, now: Tick) -> Step {
        let mut events = PollEvents::new();
        for batches in 0..MAX_BATCHES {
            self.data_plane.poll_events(&mut events);
            let due = self.data_plane.next_due();
            let quiet = events.iter().next().is_none() && !self.data_plane.is_busy();
            if quiet && due.is_none_or(|due| due > now) {
                return Step { batches, due };
            }
            self.data_plane.batch(&events, &mut self.buffer, || now);
        }
        panic!("the loop is still busy after {MAX_BATCHES} batches at {now:?}");
    }

    pub fn snapshot(&self, now: Tick) -> DataPlaneSnapshot {
        self.data_plane.snapshot(now)
    }

    /// Ends like a killed process: the kernel closes its descriptors, and nothing else happens.
    pub fn crash(mut self) {
        self.data_plane.abandon_listeners();
    }
}
