//! Keeps the checkpoint of a running agent up to date.

use std::io;

use htb::Tick;

use crate::agent::Agent;
use crate::attachments::ServedTotals;
use crate::checkpoint::{Checkpoint, CheckpointState, CheckpointWriter, Disk, WriteFailure};
use crate::config::Persisted;

/// Nanoseconds between two reads of the served totals: each costs an iteration of the data plane's loop.
const TOTALS_INTERVAL: u64 = 60_000_000_000;

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
    /// answers no more.
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
