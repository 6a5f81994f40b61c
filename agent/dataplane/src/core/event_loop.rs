//! The thread: sleep until something happens or is due, obey, do a batch.

use std::sync::mpsc::{Receiver, TryRecvError};

use htb::Tick;

use crate::clock;
use crate::core::state::DataPlane;
use crate::poll::Events;
use crate::pool::NextGrant;
use crate::vm::PORTION;

/// Something to be done between two batches, by the thread that owns everything.
pub(crate) type Command = Box<dyn FnOnce(&mut DataPlane, Tick) + Send>;

/// How long commands may keep the VMs waiting, but for the one that is being done: 1 ms.
const TURN: u64 = 1_000_000;

/// What is left of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PollTimeout {
    None,
    Some,
    /// Nobody can command any more.
    Never,
}

/// Runs until it has drained, or nobody is left who could give a command.
pub(crate) fn run(mut plane: DataPlane, commands: &Receiver<Command>) {
    let mut events = Events::new();
    let mut scratch = vec![0; PORTION];
    let mut left = PollTimeout::None;
    loop {
        if plane.paused {
            plane.heartbeat.sleeps(true);
            let Ok(command) = commands.recv() else { return };
            plane.heartbeat.sleeps(false);
            command(&mut plane, clock::now());
            continue;
        }
        plane.sleep(&mut events, left == PollTimeout::Some);
        left = obey(&mut plane, commands, clock::now);
        if left == PollTimeout::Never {
            return;
        }
        plane.batch(&events, &mut scratch, clock::now);
        if plane.is_drained(clock::now()) {
            return;
        }
    }
}

/// Does what was commanded, as far as there is time for it: those who look on must not hold up those who are served.
fn obey(plane: &mut DataPlane, commands: &Receiver<Command>, clock: impl Fn() -> Tick) -> PollTimeout {
    let mut now = clock();
    let end = now.after(TURN);
    while now < end {
        match commands.try_recv() {
            Ok(command) => command(plane, now),
            Err(TryRecvError::Empty) => return PollTimeout::None,
            Err(TryRecvError::Disconnected) => return PollTimeout::Never,
        }
        now = clock();
    }
    PollTimeout::Some
}

impl DataPlane {
    fn sleep(&mut self, events: &mut Events, commanded: bool) {
        let busy = commanded || self.is_busy();
        if !busy {
            let due = self.due();
            self.poll.arm(due).expect("a timer of ours takes any instant");
        }
        self.heartbeat.sleeps(!busy);
        self.poll.wait(events, busy).expect("epoll waits on descriptors of ours");
        self.heartbeat.sleeps(false);
        self.counters.wake_ups += u64::from(!busy);
    }

    /// Is there something left that needs no event?
    pub(crate) fn is_busy(&self) -> bool {
        let work = &self.work;
        !(work.read.is_empty() && work.write.is_empty() && work.accept.is_empty())
            || self.pools.iter().any(|(_, pool)| pool.next == NextGrant::Now)
    }

    /// The earliest instant at which there is something to do though nothing happens.
    pub(crate) fn due(&mut self) -> Option<Tick> {
        let push = self.next_push();
        let pools = self.pools.iter().filter_map(|(_, pool)| match pool.next {
            NextGrant::At(due) => Some(due),
            NextGrant::Idle | NextGrant::Now | NextGrant::Supply => None,
        });
        let late = self.work.accept_late.next();
        let stalled = self.work.stalled.next();
        let others = [late, stalled, self.work.starved_until, self.deadline];
        pools.chain(push).chain(others.into_iter().flatten()).min()
    }
}
