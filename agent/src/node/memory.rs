//! What a node agent knows of the time before it started.

use std::sync::Arc;

use delivery::NodeConfig;

use crate::agent::Agent;
use crate::checkpoint::{Checkpoint, CheckpointState, HostDisk, LastGood};
use crate::checkpointer::{Checkpointer, recall};
use crate::controller_client::HeldConfig;
use crate::roll::lament;

/// When a VM of the host itself is tried again that could not be attached.
pub(super) const AGAIN: &str = "with each configuration, and `entropool detach` forgets it";

/// A checkpoint as it was found.
pub(super) struct Memory {
    checkpoint: Checkpoint<HostDisk>,
    loaded: CheckpointState,
}

impl Memory {
    /// Reads the checkpoint, and tells what is odd about it.
    pub(super) fn load(state_dir: &std::path::Path) -> Self {
        let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
        for note in &found.warnings {
            tracing::warn!(%note, "in the checkpoint");
        }
        Self { checkpoint, loaded: found.state }
    }

    /// Puts the last good configuration in force. One that cannot be is told, and the agent goes on without: its VMs
    /// wait for the controller.
    pub(super) fn serve(&self, agent: &Agent) -> HeldConfig {
        self.try_serve(agent).unwrap_or_else(|error| {
            tracing::error!(
                reason = "LastGoodNotServed",
                error = format!("{error:#}"),
                "nothing is in force until a controller says what"
            );
            HeldConfig::default()
        })
    }

    /// The same for who had better not start without.
    pub(super) fn try_serve(&self, agent: &Agent) -> anyhow::Result<HeldConfig> {
        recall(&self.loaded, agent);
        let Some(last_good) = &self.loaded.last_good else { return Ok(HeldConfig::default()) };
        let held = held(last_good)?;
        let config: Arc<NodeConfig> = Arc::new(codec::decode(&held.content)?);
        agent.apply(&config)?;
        tracing::info!(pools = config.pools.len(), "in force, from before this start");
        Ok(held)
    }

    /// The VMs that were attached at run time, and what all drew.
    pub(super) fn restorable(&self) -> CheckpointState {
        self.loaded.clone()
    }

    /// Attaches the VMs again that were attached at run time.
    pub(super) fn restore(&self, agent: &Agent) {
        lament(agent.restore(self.restorable()), AGAIN);
    }

    /// Goes on keeping what it knows.
    pub(super) fn keep(self, agent: &Agent) -> std::io::Result<Checkpointer> {
        Checkpointer::start(self.checkpoint, self.loaded, agent)
    }
}

/// What was in force, as the controller is told of it.
pub(super) fn held(last_good: &LastGood) -> anyhow::Result<HeldConfig> {
    anyhow::ensure!(
        last_good.encoding == codec::ENCODING,
        "the last good configuration is in encoding {}, and this version reads {}",
        last_good.encoding,
        codec::ENCODING
    );
    let (version, content) = codec::decode_persisted(&last_good.bytes)?;
    Ok(HeldConfig { version, content: Arc::new(content) })
}
