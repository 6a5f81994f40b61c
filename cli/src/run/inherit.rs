//! A planned restart, from both sides: taking over from a daemon that serves, and handing over to one that will.

use std::collections::BTreeSet;
use std::time::Duration;

use agent::checkpoint::{Checkpoint, HostDisk};
use agent::metrics::Metrics;
use agent::{Agent, ApiSocket, Book, Keeper, Predecessor, Successor};
use anyhow::{Context, Result};

use super::memory::Memory;
use super::start::{Begun, Daemon, in_force, options, refuse, wanted};
use crate::args::RunArgs;

/// The daemon that serves these directories, if one does. What it keeps on disk is complete from now on.
pub(super) fn predecessor(args: &RunArgs) -> Result<Option<Predecessor>> {
    let found = Predecessor::find(&args.run_dir.join("handover.sock"))?;
    if found.is_none() {
        tracing::info!(run_dir = %args.run_dir.display(), "there is no daemon to take over from");
    }
    Ok(found)
}

/// Begins with what another daemon leaves. If it fails, that one goes on.
pub(super) fn begin(args: &RunArgs, memory: Memory, book: Book, predecessor: Predecessor) -> Result<Begun> {
    let agent = Agent::start(options(args, true))?;
    let book = in_force(&agent, book, &memory)?;
    let members = args.vms.iter().chain(args.ports.iter().map(|port| &port.member));
    let vms: Vec<_> = members.map(|vm| wanted(vm, &args.namespace)).collect();
    let named: BTreeSet<_> = vms.iter().map(|vm| vm.id.clone()).collect();
    let ports = args.ports.iter().map(|port| (port.member.id.clone(), port.address)).collect();
    let restorable = memory.restorable();
    let path = args.run_dir.join("api.sock");

    let estate = predecessor.estate()?;
    let connections: usize = estate.vms.iter().map(|vm| vm.connections.len()).sum();
    let failed = agent.inherit(vms, restorable, estate.vms)?;
    let (wrong, lost): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(id, _)| named.contains(id));
    refuse(wrong.into_iter().map(|(_, error)| error.to_string()).collect())?;
    predecessor.done()?;

    agent.take_over(&ports)?;
    let pause = Duration::from_nanos(server::now().since(estate.stopped));
    tracing::info!(connections, ?pause, "took over");
    agent.settle();
    Memory::lament(lost);
    let listening = match estate.api {
        Some((socket, file)) => ApiSocket::inherit(&path, socket, file, args.api_mode)?,
        None => ApiSocket::bind(&path, args.api_mode)?,
    };
    Ok((agent, book, memory.keep()?, listening))
}

impl Daemon {
    /// Hands over to another process. If that does not take over, everything goes on.
    pub(super) fn hand_over(&mut self, successor: Successor) -> bool {
        let kept = self.keeper.take().and_then(|mut keeper| {
            keeper.conclude(&self.agent, self.book.specs());
            // On disk before anybody else reads it.
            keeper.stop()
        });
        let handed = match kept {
            None => self.try_hand_over(successor),
            Some(unwritable) => {
                // What it would read is older than what runs: VMs attached since would lose their sockets.
                successor.refuse(&unwritable.sentence);
                Err(anyhow::Error::msg(unwritable.sentence))
            }
        };
        let Err(error) = handed else { return true };
        tracing::error!(error = format!("{error:#}"), "not handed over; this daemon goes on");
        match keep_on(&self.state_dir) {
            Ok(keeper) => self.keeper = Some(keeper),
            Err(error) => tracing::error!(error = format!("{error:#}"), "changes are not kept any more"),
        }
        self.keep();
        false
    }

    fn try_hand_over(&self, successor: Successor) -> Result<()> {
        let api = self.api.socket().context("the local API's socket cannot be shared")?;
        Ok(self.agent.hand_over(successor, api)?)
    }

    /// Ends without a trace: another process has it all.
    pub(super) fn leave(self) {
        self.metrics.into_iter().for_each(Metrics::stop);
        self.api.leave();
    }
}

fn keep_on(state_dir: &std::path::Path) -> Result<Keeper> {
    let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
    Keeper::start(checkpoint, found.state).context("the checkpoint's thread cannot be started")
}
