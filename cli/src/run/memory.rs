//! What a daemon knows of the time before it started.

use agent::checkpoint::{Checkpoint, CheckpointState, HostDisk};
use agent::{Agent, Checkpointer, ManifestSet, beside, lament};
use anyhow::{Context, Result};
use delivery::NodeConfig;

use crate::args::RunArgs;

/// When a VM is tried again that could not be attached.
pub(super) const AGAIN: &str = "at the next start, and `entropool detach` forgets it";

/// A checkpoint as it was found.
pub(super) struct Memory {
    /// What was accepted last.
    pub(super) book: ManifestSet,
    checkpoint: Checkpoint<HostDisk>,
    loaded: CheckpointState,
    /// The state without VMs that the command line names: it says how they are.
    restore: CheckpointState,
}

impl Memory {
    /// Reads the checkpoint. What is odd about it is told if `usable` says that the directory is not to be refused
    /// anyway.
    pub(super) fn load(args: &RunArgs, usable: bool) -> Self {
        let (checkpoint, found) = Checkpoint::open(HostDisk::new(&args.state_dir));
        for note in found.warnings.iter().filter(|_| usable) {
            tracing::warn!(%note, "in the checkpoint");
        }
        let loaded = found.state;
        let mut restore = loaded.clone();
        restore.vms.retain(|id, _| args.vms.iter().all(|vm| vm.name != *id));
        let namespaces = restore.vms.values().map(|vm| vm.namespace.clone());
        let book =
            ManifestSet::new(namespaces.chain([args.namespace.clone()])).remember(loaded.accepted.clone());
        Self { book, checkpoint, loaded, restore }
    }

    /// Whether it is enough to serve from, should the manifests not be.
    pub(super) fn is_of_use(&self) -> bool {
        self.book.served_pools()
    }

    /// Tells the agent of the classes that VMs may be in, before it is told of any others.
    pub(super) fn recall(&self, agent: &Agent) {
        agent.restore_orphans(self.served());
    }

    /// What was served when the checkpoint was saved, with the classes that stayed for their VMs. Manifests may have been
    /// edited since, and VMs be in what that took away.
    pub(super) fn served(&self) -> NodeConfig {
        beside(&self.loaded, self.book.config())
    }

    /// The VMs that were attached at run time, and what all drew.
    pub(super) fn restorable(&self) -> CheckpointState {
        self.restore.clone()
    }

    /// Goes on keeping what it knows.
    pub(super) fn keep(self, agent: &Agent) -> Result<Checkpointer> {
        Checkpointer::start(self.checkpoint, self.loaded, agent)
            .context("the checkpoint's thread cannot be started")
    }

    /// Attaches the VMs again that were attached at run time, and goes on from here.
    pub(super) fn restore(self, agent: &Agent) -> Result<Checkpointer> {
        lament(agent.restore(self.restorable()), AGAIN);
        self.keep(agent)
    }
}
