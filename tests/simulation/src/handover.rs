//! A planned restart: two processes and the agent's own conversation between them, which may end at each step.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

use agent::testing::{OwnState, Recipient};
use dataplane::{AttachRequest, HandoverOutcome, VmState};
use htb::Tick;
use soak::Rng;

use crate::mutations::Mutation;
use crate::process::Process;

/// Who dies, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandoverFault {
    /// Nobody.
    Never,
    /// The successor, before it asks.
    BeforeAsk,
    /// When it was told all.
    BeforeInherit,
    /// When it could serve.
    BeforeReady,
    /// When it must: there is nobody else any more.
    AfterDone,
    /// The predecessor, when it has stopped serving.
    Predecessor,
}

/// Who serves now.
pub(crate) enum Survivor {
    Successor(Process),
    Predecessor(Process),
    Nobody,
}

impl HandoverFault {
    pub(crate) fn of(dice: &mut Rng) -> Self {
        let deaths =
            [Self::BeforeAsk, Self::BeforeInherit, Self::BeforeReady, Self::AfterDone, Self::Predecessor];
        if dice.once_in(2) { Self::Never } else { *dice.pick(&deaths) }
    }
}

/// What a successor goes by.
pub(crate) struct Expected<'a> {
    pub(crate) vms: BTreeMap<String, AttachRequest>,
    pub(crate) socket_dir: &'a Path,
    pub(crate) plant: Option<Mutation>,
    pub(crate) now: Tick,
}

/// Has `old` hand over to what `begin` makes.
pub(crate) fn hand_over(
    mut old: Process,
    begin: impl FnOnce() -> Result<Process, String> + Send,
    wanted: Expected<'_>,
    cut: HandoverFault,
) -> Result<Survivor, String> {
    let now = wanted.now;
    let (predecessor, successor) = agent::testing::connected_pair().unwrap();
    thread::scope(|scope| {
        let peer = scope.spawn(move || succeed(predecessor, begin, wanted, cut));
        let mut verdict = HandoverOutcome::Resumed;
        if successor.offer().is_ok() {
            verdict = old.stage.hand_over(
                |vms| match cut {
                    HandoverFault::Predecessor => HandoverOutcome::Resumed,
                    // There are no sockets but those of VMs here.
                    _ => successor
                        .send(&vms, &OwnState::default())
                        .map_or(HandoverOutcome::Resumed, |_| HandoverOutcome::Transferred),
                },
                now,
            );
        } else {
            drop(successor);
        }
        let successor = peer.join().expect("a successor says what is wrong")?;
        Ok(match (verdict, successor) {
            (HandoverOutcome::Transferred, Some(new)) => Survivor::Successor(new),
            (HandoverOutcome::Transferred, None) => Survivor::Nobody,
            (HandoverOutcome::Resumed, _) if cut == HandoverFault::Predecessor => {
                old.crash();
                Survivor::Nobody
            }
            (HandoverOutcome::Resumed, _) => Survivor::Predecessor(old),
        })
    })
}

/// The successor's part; nothing if it dies or need not serve.
fn succeed(
    mut predecessor: agent::testing::Predecessor,
    begin: impl FnOnce() -> Result<Process, String>,
    wanted: Expected<'_>,
    cut: HandoverFault,
) -> Result<Option<Process>, String> {
    if cut == HandoverFault::BeforeAsk || predecessor.wait_for_offer().is_err() {
        return Ok(None);
    }
    let mut new = begin()?;
    let Ok(mut estate) = predecessor.receive() else { return Ok(None) };
    if cut == HandoverFault::BeforeInherit {
        return Ok(None);
    }
    estate.vms.iter_mut().for_each(|vm| spoil(vm, wanted.plant));
    let failed = new.stage.restore_connections(wanted.vms, estate.vms, wanted.socket_dir, wanted.now);
    if let Some((id, error)) = failed.first() {
        return Err(format!("{id} is lost in a planned restart: {error}"));
    }
    if cut == HandoverFault::BeforeReady || predecessor.commit().is_err() || cut == HandoverFault::AfterDone {
        new.crash();
        return Ok(None);
    }
    let without = new.stage.resume_serving();
    if !without.is_empty() {
        return Err(format!("{without:?} have no sockets after a planned restart"));
    }
    new.stage.discard_unclaimed();
    Ok(Some(new))
}

/// Plants a bug in what a successor is left.
fn spoil(vm: &mut VmState<OwnedFd>, plant: Option<Mutation>) {
    match plant {
        Some(Mutation::LostDemand) => {
            vm.connections.iter_mut().for_each(|left| left.session.requests.clear());
        }
        Some(Mutation::DroppedConnections) => vm.connections.clear(),
        _ => {}
    }
}
