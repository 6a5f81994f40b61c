//! What a node agent knows of the time before it started.

use std::sync::Arc;

use delivery::NodeConfig;

use crate::agent::Agent;
use crate::checkpoint::{Checkpoint, HostDisk, LastGood, State};
use crate::keeper::Keeper;
use crate::subscribe::Held;

/// A checkpoint as it was found.
pub(super) struct Memory {
    checkpoint: Checkpoint<HostDisk>,
    loaded: State,
}

impl Memory {
    /// Reads the checkpoint, and tells what is odd about it.
    pub(super) fn load(state_dir: &std::path::Path) -> Self {
        let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
        for note in &found.notes {
            tracing::warn!(%note, "in the checkpoint");
        }
        Self { checkpoint, loaded: found.state }
    }

    /// Puts the last good configuration in force. One that cannot be is told, and the agent goes on without: its VMs
    /// wait for the controller.
    pub(super) fn serve(&self, agent: &Agent) -> Held {
        let Some(last_good) = &self.loaded.last_good else { return Held::default() };
        match in_force(last_good, agent) {
            Ok(held) => held,
            Err(error) => {
                tracing::error!(
                    reason = "LastGoodNotServed",
                    error = format!("{error:#}"),
                    "nothing is in force until a controller says what"
                );
                Held::default()
            }
        }
    }

    /// Attaches the VMs again that were attached at run time, and goes on from here.
    pub(super) fn hand_over(self, agent: &Agent) -> std::io::Result<Keeper> {
        for (vm, error) in agent.restore(self.loaded.clone()) {
            let reason = error.reason();
            let remedy =
                format!("it is tried again with each configuration; `entropool detach {vm}` forgets it");
            tracing::warn!(vm, reason, error = format!("{error}; {remedy}"), "not attached again");
        }
        Keeper::start(self.checkpoint, self.loaded)
    }
}

fn in_force(last_good: &LastGood, agent: &Agent) -> anyhow::Result<Held> {
    anyhow::ensure!(
        last_good.encoding == codec::ENCODING,
        "the last good configuration is in encoding {}, and this version reads {}",
        last_good.encoding,
        codec::ENCODING
    );
    let (version, content) = codec::kept(&last_good.bytes)?;
    let config: Arc<NodeConfig> = Arc::new(codec::decode(&content)?);
    agent.apply(&config)?;
    tracing::info!(pools = config.pools.len(), "in force, from before this start");
    Ok(Held { version, content: Arc::new(content) })
}
