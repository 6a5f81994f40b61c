//! What a running agent tells its checkpoint, and when.

use std::io;

use anyhow::{Result, ensure};
use delivery::{NodeConfig, Version};
use htb::Tick;

use crate::agent::Agent;
use crate::checkpoint::{
    AcceptedSpecs, Checkpoint, CheckpointState, CheckpointWriter, Disk, LastGood, ServedTotals, WriteFailure,
};
use crate::orphans::Orphans;

/// Between two looks at what was served, which cost the data plane a turn each.
const COUNTERS: u64 = 60_000_000_000;

/// Keeps the checkpoint of an agent up to date. It is told of changes and never looks for them by itself: what was
/// served is saved along with something else, or at the end.
#[derive(Debug)]
pub struct Checkpointer {
    writer: CheckpointWriter,
    last_good: Option<LastGood>,
    served: ServedTotals,
    counted: Tick,
}

impl Checkpointer {
    /// Starts from the state that was loaded, and lets `agent` tell how the disk is.
    pub fn start<D: Disk>(
        checkpoint: Checkpoint<D>,
        loaded: CheckpointState,
        agent: &Agent,
    ) -> io::Result<Self> {
        let (last_good, served) = (loaded.last_good.clone(), loaded.served.clone());
        let writer = CheckpointWriter::start(checkpoint, loaded, dataplane::now)?;
        agent.is_kept_by(writer.condition());
        Ok(Self { writer, last_good, served, counted: dataplane::now() })
    }

    /// What a controller sent is in force from now on; saved with the next note.
    pub fn set_last_good(&mut self, last_good: LastGood) {
        self.last_good = Some(last_good);
    }

    /// Something may have changed: this was accepted, and the agent knows its VMs. Never waits for the disk.
    pub fn note(&mut self, agent: &Agent, accepted: AcceptedSpecs) {
        for gone in agent.take_gone() {
            self.served.vms.remove(&gone);
        }
        let now = dataplane::now();
        if now.since(self.counted) >= COUNTERS {
            self.count(agent);
            self.counted = now;
        }
        self.tell(agent, accepted);
    }

    /// As [`note`](Self::note), with the counters as they are: before the agent drains, since afterwards it cannot be
    /// asked.
    pub fn finish(&mut self, agent: &Agent, accepted: AcceptedSpecs) {
        self.count(agent);
        self.tell(agent, accepted);
    }

    /// What a controller sent last, as far as this was told of it.
    pub(crate) fn last_good(&self) -> Option<&LastGood> {
        self.last_good.as_ref()
    }

    /// Writes what is new and ends. Waits for the disk; says why what is new is not on it, which is in the log then.
    pub fn stop(self) -> Option<WriteFailure> {
        self.writer.stop()
    }

    fn count(&mut self, agent: &Agent) {
        // An agent that has stopped counts no more.
        self.served = agent.served().unwrap_or_else(|_| self.served.clone());
    }

    fn tell(&self, agent: &Agent, accepted: AcceptedSpecs) {
        self.writer.note(CheckpointState {
            accepted,
            last_good: self.last_good.clone(),
            orphans: remains(agent),
            vms: agent.adopted(),
            served: self.served.clone(),
        });
    }
}

fn remains(agent: &Agent) -> Option<LastGood> {
    let remains = agent.remains();
    let bytes = || codec::encode_persisted(&Version::default(), &codec::encode(&remains));
    (!remains.pools.is_empty()).then(|| LastGood { encoding: codec::ENCODING, bytes: bytes() })
}

/// Tells the agent of the pools and classes that stayed for their VMs, as a state says.
pub(crate) fn recall(state: &CheckpointState, agent: &Agent) {
    match remembered(state) {
        Ok(remains) => agent.restore_orphans(remains),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            "classes that were deleted are forgotten, with the VMs that they still had"
        ),
    }
}

/// A configuration as if these were still in it.
pub fn beside(state: &CheckpointState, config: &NodeConfig) -> NodeConfig {
    Orphans::of(remembered(state).unwrap_or_default()).beside(config)
}

fn remembered(state: &CheckpointState) -> Result<NodeConfig> {
    let Some(kept) = &state.orphans else { return Ok(NodeConfig::default()) };
    ensure!(kept.encoding == codec::ENCODING, "they are in encoding {}", kept.encoding);
    Ok(codec::decode(&codec::decode_persisted(&kept.bytes)?.1)?)
}
