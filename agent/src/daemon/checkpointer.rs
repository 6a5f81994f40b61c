//! The checkpoint of a daemon: loaded at the start, and kept up to date from then on.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use htb::Tick;

use crate::agent::Agent;
use crate::attachments::{ServedTotals, log_failed};
use crate::checkpoint::{Checkpoint, CheckpointState, CheckpointWriter, Disk, HostDisk, WriteFailure};
use crate::config::Persisted;

/// Nanoseconds between two reads of the served totals: each costs an iteration of the data plane's loop.
const TOTALS_INTERVAL: u64 = 60_000_000_000;

/// A checkpoint as it was found in the state directory.
pub(super) struct LoadedCheckpoint {
    checkpoint: Checkpoint<HostDisk>,
    state: CheckpointState,
    /// The state without the VMs of the command line, which says how these are attached.
    restorable: CheckpointState,
}

impl LoadedCheckpoint {
    /// Loads the checkpoint. Its warnings are logged unless `usable` is false, when the directory is rejected anyway.
    pub(super) fn load(state_dir: &Path, usable: bool) -> Self {
        let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
        for note in found.warnings.iter().filter(|_| usable) {
            tracing::warn!(%note, "checkpoint warning");
        }
        let restorable = found.state.clone();
        Self { checkpoint, state: found.state, restorable }
    }

    /// The checkpoint without these VMs.
    pub(super) fn without(mut self, vms: &BTreeSet<&str>) -> Self {
        self.restorable.vms.retain(|id, _| !vms.contains(&**id));
        self
    }

    pub(super) fn state(&self) -> &CheckpointState {
        &self.state
    }

    /// The VMs that were attached at run time, and what all VMs and classes were served.
    pub(super) fn restorable(&self) -> CheckpointState {
        self.restorable.clone()
    }

    /// Attaches the VMs again that were attached at run time.
    pub(super) fn attach_vms(&self, agent: &Agent, retry: &str) {
        let CheckpointState { vms, served, .. } = self.restorable();
        log_failed(agent.attachments().restore(vms, served), retry);
    }

    pub(super) fn into_checkpointer(self, agent: &Agent) -> Result<Checkpointer> {
        Checkpointer::start(self.checkpoint, self.state, agent)
            .context("cannot start the checkpoint's thread")
    }
}

/// Keeps the checkpoint of an agent up to date. It saves when it is notified of a change; the served totals alone are no
/// change, and are saved along with others and at the end.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    writer: CheckpointWriter,
    served: ServedTotals,
    served_at: Tick,
}

impl Checkpointer {
    /// Starts from the state that was loaded, and reports write failures to `agent`'s health.
    pub(crate) fn start<D: Disk>(
        checkpoint: Checkpoint<D>,
        loaded: CheckpointState,
        agent: &Agent,
    ) -> io::Result<Self> {
        let served = loaded.served.clone();
        let writer = CheckpointWriter::start(checkpoint, loaded, dataplane::now)?;
        agent.health().watch_checkpoint(writer.condition());
        Ok(Self { writer, served, served_at: dataplane::now() })
    }

    /// Saves what may have changed. Never waits for the disk.
    pub(crate) fn save(&mut self, agent: &Agent, config: Persisted) {
        for id in agent.attachments().table().take_detached() {
            self.served.vms.remove(&id);
        }
        let now = dataplane::now();
        if now.since(self.served_at) >= TOTALS_INTERVAL {
            self.read_totals(agent);
            self.served_at = now;
        }
        self.write(agent, config);
    }

    /// Like [`save`](Self::save), with the served totals of now. To be called before the agent drains: afterwards it
    /// no longer answers.
    pub(crate) fn save_final(&mut self, agent: &Agent, config: Persisted) {
        self.read_totals(agent);
        self.write(agent, config);
    }

    /// Writes what has changed and ends. Waits for the disk. Returns why it could not be written, which is logged too.
    pub(crate) fn stop(self) -> Option<WriteFailure> {
        self.writer.stop()
    }

    fn read_totals(&mut self, agent: &Agent) {
        // The totals of an agent that has stopped no longer change.
        self.served = agent.served().unwrap_or_else(|_| self.served.clone());
    }

    fn write(&self, agent: &Agent, config: Persisted) {
        self.writer.set_state(CheckpointState {
            accepted: config.accepted,
            last_good: config.last_good,
            orphans: agent.current_orphans().to_checkpoint(),
            vms: agent.attachments().table().checkpointed(),
            served: self.served.clone(),
        });
    }
}
