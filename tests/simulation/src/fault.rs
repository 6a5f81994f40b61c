//! What happens to a host, and when.

use htb::Tick;
use rustix::io::Errno;
use soak::Rng;
use source::fake::FakeBehaviour;

use crate::disk::{FATES, Fate, Trouble};
use crate::handover::HandoverFault;
use crate::ledger::STUCK;
use crate::violation::{BEGIN, MILLISECOND, SECOND};

/// Something that goes wrong, or is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The process is killed.
    Kill,
    /// It is killed by the next save, at this of its system calls.
    CutSave(u32, Trouble),
    /// The host loses its power. What of it reaches the disk, a bit for each change of a name.
    PowerCut(u32, Fate),
    /// A source behaves so.
    Source(usize, FakeBehaviour),
    /// Somebody tests a source anew.
    Retest(usize),
    /// The manifests are edited, rightly or not.
    Edit { right: bool },
    /// The disk refuses everything, or does no longer.
    Disk(Option<Errno>),
    /// The process is asked to hand over to another.
    HandOver(HandoverFault),
    /// One of the VMs is detached or, if it is not there, attached.
    Toggle(u64),
    /// One of them is moved to another class.
    Move(u64),
}

/// Everything that happens in a life, by time.
pub(crate) fn schedule(dice: &mut Rng, end: Tick) -> Vec<(Tick, Fault)> {
    let mut faults = Vec::new();
    let mut at = BEGIN;
    loop {
        at = at.after(*dice.pick(&[30, 200, 700, 1500, 3000]) * MILLISECOND + dice.below(500) * MILLISECOND);
        if at >= end {
            return faults;
        }
        faults.push((at, fault(dice)));
    }
}

fn fault(dice: &mut Rng) -> Fault {
    let source = usize::from(dice.once_in(3));
    match dice.below(18) {
        0..=2 => Fault::Kill,
        3 => {
            let cuts = [Trouble::CutBefore, Trouble::CutWithin, Trouble::CutAfter];
            Fault::CutSave(u32::try_from(dice.below(8)).expect("a few"), *dice.pick(&cuts))
        }
        4 => Fault::PowerCut(u32::try_from(dice.below(16)).expect("four bits"), *dice.pick(&FATES)),
        5 | 6 => Fault::Source(source, manner(dice)),
        7 => Fault::Source(source, FakeBehaviour::Good),
        8 => Fault::Retest(source),
        9 => Fault::Edit { right: true },
        10 => Fault::Edit { right: false },
        11..=13 => Fault::HandOver(HandoverFault::of(dice)),
        14 | 15 => Fault::Toggle(dice.roll()),
        16 => Fault::Move(dice.roll()),
        _ => Fault::Disk(*dice.pick(&[None, Some(Errno::NOSPC), Some(Errno::ROFS), Some(Errno::IO)])),
    }
}

fn manner(dice: &mut Rng) -> FakeBehaviour {
    let short = usize::try_from(1 + dice.below(64)).expect("small");
    *dice.pick(&[
        FakeBehaviour::Short(short),
        FakeBehaviour::Stuck(STUCK),
        FakeBehaviour::Biased,
        FakeBehaviour::Dry,
        FakeBehaviour::Ended,
        FakeBehaviour::Broken,
        FakeBehaviour::Missing,
        FakeBehaviour::Burst(5000),
    ])
}

/// Until the process is started again by its supervisor.
pub(crate) fn pause(dice: &mut Rng) -> u64 {
    (5 + dice.below(95)) * MILLISECOND
}

/// How long the host lives with faults, and how long it then has to come to rest.
pub(crate) const LIFE: u64 = 10 * SECOND;
pub(crate) const REST: u64 = 90 * SECOND;
