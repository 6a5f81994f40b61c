//! Taking over, as every daemon does it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use dataplane::{AttachError, AttachRequest, ListenerLocation};
use source::Serving;

use super::ReceiveError;
use super::predecessor::{Predecessor, PredecessorGuard};
use super::systemd_fdstore::StoredHandover;
use super::wire::{HandoverState, Sockets};
use crate::agent::Agent;
use crate::checkpoint::CheckpointState;

/// How often, and how far apart, sources are looked at: ten seconds, a third of what a predecessor waits.
const LOOKS: u32 = 200;
const APART: Duration = Duration::from_millis(50);

/// The VMs that a successor is to serve.
#[derive(Debug, Default)]
pub struct ExpectedVms {
    /// Those that whoever starts it knows of.
    pub vms: Vec<AttachRequest>,
    /// Those that were attached at run time, and what all drew.
    pub restorable: CheckpointState,
    /// Where the sockets are that are not in the socket directory.
    pub places: BTreeMap<String, ListenerLocation>,
}

/// What a process that has taken over goes on with.
#[derive(Debug)]
pub struct Received {
    /// At fixed paths.
    pub sockets: Sockets,
    /// VMs that are not served any more.
    pub lost: Vec<(String, AttachError)>,
    /// VMs whose sockets have gone and are to be made elsewhere.
    pub without: Vec<String>,
    /// Whoever waits to hear that this process serves.
    pub relieved: PredecessorGuard,
}

/// Whoever has what a process is to go on with.
#[derive(Debug)]
pub enum HandoverSource {
    /// Another process, which serves.
    Serves(Predecessor),
    /// A service manager, since the process before has ended.
    Kept(Box<StoredHandover>),
}

impl HandoverSource {
    fn estate(&mut self) -> Result<HandoverState, ReceiveError> {
        match self {
            Self::Serves(predecessor) => predecessor.estate(),
            Self::Kept(kept) => Ok(kept.estate()),
        }
    }

    fn done(self) -> Result<PredecessorGuard, ReceiveError> {
        match self {
            Self::Serves(predecessor) => predecessor.done(),
            Self::Kept(kept) => Ok(kept.done()),
        }
    }

    /// Has `agent` go on with all that the predecessor leaves. `judge` hears which VMs cannot be served, and may call
    /// it off for that; else it gives those that are let go. Until then, and if anything fails, whoever has it goes on with it.
    pub fn receive(
        mut self,
        agent: &Agent,
        wanted: ExpectedVms,
        judge: impl FnOnce(Vec<(String, AttachError)>) -> Result<Vec<(String, AttachError)>>,
    ) -> Result<Received> {
        let ExpectedVms { vms, restorable, places } = wanted;
        // All that can be done before is done before: from here to the end of it nobody is served.
        let lost = judge(agent.register_expected(vms, restorable)?)?;
        if let Self::Serves(_) = self {
            await_sources(agent);
        }
        let estate = self.estate()?;
        let connections: usize = estate.vms.iter().map(|vm| vm.connections.len()).sum();
        agent.restore_connections(estate.vms)?;
        let relieved = self.done()?;

        let without = agent.resume_serving(&places)?;
        let pause = Duration::from_nanos(dataplane::now().since(estate.stopped));
        tracing::info!(connections, ?pause, "took over");
        agent.discard_unclaimed();
        Ok(Received { sockets: estate.sockets, lost, without, relieved })
    }
}

/// Waits until no pool has nothing to give because its sources are in their start-up tests, which may take seconds: the
/// predecessor serves meanwhile, from sources that have passed theirs. One that is too slow for that is not waited for.
fn await_sources(agent: &Agent) {
    for _ in 0..LOOKS {
        if agent.server().sources().pools.iter().all(|pool| pool.serving != Serving::Starting) {
            return;
        }
        thread::park_timeout(APART);
    }
    tracing::warn!(
        "took over with sources in their start-up tests: their pools serve nothing until these are passed"
    );
}
