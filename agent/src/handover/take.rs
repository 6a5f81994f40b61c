//! Taking over, as every daemon does it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use server::{Attach, AttachError, Place};
use source::Serving;

use super::TakeOverError;
use super::predecessor::{Predecessor, Relieved};
use super::store::Kept;
use super::wire::{Estate, Sockets};
use crate::agent::Agent;
use crate::checkpoint::State;

/// How often, and how far apart, sources are looked at: ten seconds, a third of what a predecessor waits.
const LOOKS: u32 = 200;
const APART: Duration = Duration::from_millis(50);

/// The VMs that a successor is to serve.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Those that whoever starts it knows of.
    pub vms: Vec<Attach>,
    /// Those that were attached at run time, and what all drew.
    pub restorable: State,
    /// Where the sockets are that are not in the socket directory.
    pub places: BTreeMap<String, Place>,
}

/// What a process that has taken over goes on with.
#[derive(Debug)]
pub struct Taken {
    /// At fixed paths.
    pub sockets: Sockets,
    /// VMs that are not served any more.
    pub lost: Vec<(String, AttachError)>,
    /// VMs whose sockets have gone and are to be made elsewhere.
    pub without: Vec<String>,
    /// Whoever waits to hear that this process serves.
    pub relieved: Relieved,
}

/// Whoever has what a process is to go on with.
#[derive(Debug)]
pub enum Before {
    /// Another process, which serves.
    Serves(Predecessor),
    /// A service manager, since the process before has ended.
    Kept(Box<Kept>),
}

impl Before {
    fn estate(&mut self) -> Result<Estate, TakeOverError> {
        match self {
            Self::Serves(predecessor) => predecessor.estate(),
            Self::Kept(kept) => Ok(kept.estate()),
        }
    }

    fn done(self) -> Result<Relieved, TakeOverError> {
        match self {
            Self::Serves(predecessor) => predecessor.done(),
            Self::Kept(kept) => Ok(kept.done()),
        }
    }

    /// Has `agent` go on with all that the predecessor leaves. `judge` hears which VMs cannot be served, and may call
    /// it off for that; else it gives those that are let go. Until then, and if anything fails, whoever has it goes on with it.
    pub fn take(
        mut self,
        agent: &Agent,
        wanted: Wanted,
        judge: impl FnOnce(Vec<(String, AttachError)>) -> Result<Vec<(String, AttachError)>>,
    ) -> Result<Taken> {
        let Wanted { vms, restorable, places } = wanted;
        // All that can be done before is done before: from here to the end of it nobody is served.
        let lost = judge(agent.expect(vms, restorable)?)?;
        if let Self::Serves(_) = self {
            await_sources(agent);
        }
        let estate = self.estate()?;
        let connections: usize = estate.vms.iter().map(|vm| vm.connections.len()).sum();
        agent.inherit(estate.vms)?;
        let relieved = self.done()?;

        let without = agent.take_over(&places)?;
        let pause = Duration::from_nanos(server::now().since(estate.stopped));
        tracing::info!(connections, ?pause, "took over");
        agent.settle();
        Ok(Taken { sockets: estate.sockets, lost, without, relieved })
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
