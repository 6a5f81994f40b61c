//! What a daemon restores from the checkpoint of the process before.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::checkpointer::Checkpointer;
use crate::agent::Agent;
use crate::attachments::log_failed;
use crate::checkpoint::{Checkpoint, CheckpointState, HostDisk};

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
            tracing::warn!(%note, "in the checkpoint");
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
