//! What a daemon needs of the place its configuration comes from.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::Result;

use crate::agent::Agent;
use crate::checkpoint::{AcceptedSpecs, CheckpointState, LastGood};
use crate::event::{ConfigEvent, DaemonEvent, DaemonEvents};

/// Where a daemon's configuration comes from: manifest files or a controller.
///
/// The source reads configurations, applies them to the [`Agent`] and says what of them a restart needs. Threads of the
/// source (file watcher, subscription) send [`ConfigEvent`]s to the daemon's event loop.
pub(crate) trait ConfigSource {
    /// When a VM that could not be attached is retried, for the log.
    const RETRY: &'static str;

    /// Applies the configuration to start with. Returns whether it has any pools to serve. With `takes_over`, another
    /// process still serves, and an error leaves it in charge.
    fn restore(&mut self, state: &CheckpointState, agent: &Agent, takes_over: bool) -> Result<bool>;

    /// Starts to receive configurations, where that takes a connection.
    fn connect(&mut self, _agent: &Arc<Agent>, _events: &DaemonEvents) -> io::Result<()> {
        Ok(())
    }

    /// Stops receiving configurations until the next [`connect`](Self::connect).
    fn disconnect(&mut self) {}

    /// Waits for the next event, which may be the source's own; `None` when there can be none any more.
    fn next(&mut self, events: &Receiver<DaemonEvent>) -> Option<DaemonEvent> {
        events.recv().ok()
    }

    /// Handles an event of this source. Returns whether the configuration changed, and so [`persisted`](Self::persisted).
    fn handle(&mut self, event: ConfigEvent, agent: &Agent) -> bool;

    /// Includes an event that is handled later in [`persisted`](Self::persisted): a successor reads that before.
    fn record(&mut self, _event: &ConfigEvent) {}

    /// A VM was attached, moved or detached.
    fn vms_changed(&self) {}

    /// What the checkpoint keeps of the configuration.
    fn persisted(&self) -> Persisted;
}

/// The part of the checkpoint that belongs to the configuration source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Persisted {
    pub(crate) accepted: AcceptedSpecs,
    pub(crate) last_good: Option<LastGood>,
}
