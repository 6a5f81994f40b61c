//! A planned restart, from both sides: taking over from a daemon that serves, and handing over to one that will.

use std::collections::BTreeSet;

use agent::metrics::Metrics;
use agent::{
    Agent, ApiSocket, ExpectedVms, HandoverListener, HandoverSource, ListenFd, ManifestSet, PendingSuccessor,
    Predecessor, PredecessorGuard, Received, Recipient, Sockets, StoredHandover, Successor, SystemdFdStore,
    lament,
};
use anyhow::Result;
use dataplane::ListenerLocation;

use super::memory::{AGAIN, Memory};
use super::start::{Begun, Daemon, in_force, options, refuse, wanted};
use crate::args::RunArgs;

/// Whoever has what a daemon for these directories is to go on with. What is on disk is complete from now on.
pub(super) fn before(
    args: &RunArgs,
    succeeds: bool,
    passed: Vec<ListenFd>,
) -> Result<Option<HandoverSource>> {
    if let Some(kept) = StoredHandover::of(passed) {
        return Ok(Some(HandoverSource::Kept(Box::new(kept))));
    }
    if !succeeds && !args.take_over {
        return Ok(None);
    }
    let found = Predecessor::find(&args.run_dir.join("handover.sock"), None)?;
    if found.is_none() {
        tracing::info!(run_dir = %args.run_dir.display(), "there is no daemon to take over from");
    }
    Ok(found.map(HandoverSource::Serves))
}

/// Begins with what another daemon leaves. If it fails, that one goes on.
pub(super) fn begin(
    args: &RunArgs,
    memory: Memory,
    book: ManifestSet,
    before: HandoverSource,
) -> Result<Begun> {
    let agent = Agent::start(options(args, true))?;
    let book = in_force(&agent, book, &memory)?;
    let members = args.vms.iter().chain(args.ports.iter().map(|port| &port.vm));
    let vms: Vec<_> = members.map(|vm| wanted(vm, &args.namespace)).collect();
    let named: BTreeSet<_> = vms.iter().map(|vm| vm.id.clone()).collect();
    let places =
        args.ports.iter().map(|port| (port.vm.name.clone(), ListenerLocation::Port(port.address))).collect();
    let wanted = ExpectedVms { vms, restorable: memory.restorable(), places };

    let Received { sockets, lost, relieved, .. } = before.receive(&agent, wanted, |failed| {
        let (wrong, lost): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(id, _)| named.contains(id));
        refuse(wrong.into_iter().map(|(_, error)| error.to_string()).collect())?;
        Ok(lost)
    })?;

    lament(lost, AGAIN);
    let listening = ApiSocket::go_on(&args.run_dir.join("api.sock"), sockets.api, args.api_mode)?;
    let keeper = memory.keep(&agent)?;
    Ok(Begun { agent, book, keeper, listening, relieved: Some(relieved) })
}

impl Daemon {
    /// Hands over to another process. If that does not take over, everything goes on.
    pub(super) fn hand_over(&mut self, successor: Successor) -> Option<PendingSuccessor> {
        self.give(successor)
    }

    /// Has whoever started this daemon keep it all for the next one. `false` if that is not to be: everything goes on.
    pub(super) fn store(&mut self) -> bool {
        SystemdFdStore::here().and_then(|store| self.give(store)).is_some()
    }

    fn give<R: Recipient>(&mut self, recipient: R) -> Option<R::Heir> {
        let sockets = self.api.socket().map(|api| Sockets { api: Some(api), ..Sockets::default() });
        let (agent, specs) = (&self.agent, self.book.specs());
        let heir = agent::send(agent, &mut self.keeper, specs, &self.state_dir, sockets, recipient);
        if heir.is_none() {
            self.keep();
        }
        heir
    }

    /// Tells the daemon of before that this one serves.
    pub(super) fn relieve(&mut self) {
        self.relieved.take().into_iter().for_each(PredecessorGuard::serves);
    }

    /// Ends, and leaves what the next one goes on with. Nobody is asked to hand over meanwhile.
    pub(super) fn rest(mut self) {
        drop(self.door.take());
        self.leave();
    }

    /// Ends without a trace: another process has it all.
    pub(super) fn leave(self) {
        self.door.into_iter().for_each(HandoverListener::leave);
        self.metrics.into_iter().for_each(Metrics::stop);
        self.api.leave();
    }
}
