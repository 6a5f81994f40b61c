//! The thread: sleep until an event or an instant, execute commands, run a batch.

use std::sync::mpsc::{Receiver, TryRecvError};

use htb::Tick;

use super::state::DataPlane;
use crate::clock;
use crate::persist::ReadBuffer;
use crate::poll::PollEvents;
use crate::pool::NextGrant;

/// A function to be run between two batches, by the thread that owns the state.
pub(crate) type LoopCommand = Box<dyn FnOnce(&mut DataPlane, Tick) + Send>;

/// How long commands may hold up the VMs, apart from the one that is running: 1 ms.
const COMMAND_TIME: u64 = 1_000_000;

/// Which commands are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PendingCommands {
    None,
    Some,
    /// All senders are gone.
    Disconnected,
}

/// Runs until it has drained, or all senders are gone.
pub(crate) fn run(mut data_plane: DataPlane, mut buffer: ReadBuffer, commands: &Receiver<LoopCommand>) {
    let mut events = PollEvents::new();
    let mut pending = PendingCommands::None;
    loop {
        if data_plane.paused {
            data_plane.heartbeat.set_asleep(true);
            let Ok(command) = commands.recv() else { return };
            data_plane.heartbeat.set_asleep(false);
            command(&mut data_plane, clock::now());
            continue;
        }
        data_plane.sleep(&mut events, pending == PendingCommands::Some);
        pending = execute(&mut data_plane, commands, clock::now);
        if pending == PendingCommands::Disconnected {
            return;
        }
        data_plane.batch(&events, &mut buffer, clock::now);
        if data_plane.is_drained(clock::now()) {
            return;
        }
    }
}

/// Executes commands while there is time: readers of the state must not hold up VMs.
fn execute(
    data_plane: &mut DataPlane,
    commands: &Receiver<LoopCommand>,
    clock: impl Fn() -> Tick,
) -> PendingCommands {
    let mut now = clock();
    let end = now.after(COMMAND_TIME);
    while now < end {
        match commands.try_recv() {
            Ok(command) => command(data_plane, now),
            Err(TryRecvError::Empty) => return PendingCommands::None,
            Err(TryRecvError::Disconnected) => return PendingCommands::Disconnected,
        }
        now = clock();
    }
    PendingCommands::Some
}

impl DataPlane {
    fn sleep(&mut self, events: &mut PollEvents, has_commands: bool) {
        let busy = has_commands || self.is_busy();
        if !busy {
            let due = self.next_due();
            self.poll.arm_timer(due).expect("our own timer accepts any instant");
        }
        self.heartbeat.set_asleep(!busy);
        self.poll.wait(events, busy).expect("epoll waits on our own descriptors");
        self.heartbeat.set_asleep(false);
        self.counters.wake_ups += u64::from(!busy);
    }

    /// Collects events without sleeping.
    #[cfg(feature = "simulation")]
    pub(crate) fn poll_events(&mut self, events: &mut PollEvents) {
        self.poll.wait(events, true).expect("epoll waits on our own descriptors");
    }

    /// Whether work is left that needs no event.
    pub(crate) fn is_busy(&self) -> bool {
        !(self.connections.is_idle() && self.accepts.is_idle())
            || self.pools.iter().any(|(_, pool)| pool.next == NextGrant::Now)
    }

    /// The earliest instant at which there is work without an event.
    pub(crate) fn next_due(&mut self) -> Option<Tick> {
        let connections = [self.connections.next_push(), self.connections.next_non_blocking_read()];
        let pools = self.pools.iter().filter_map(|(_, pool)| match pool.next {
            NextGrant::At(due) => Some(due),
            NextGrant::Idle | NextGrant::Now | NextGrant::Supply => None,
        });
        let others = [
            self.accepts.next_due(),
            self.connections.next_timeout(),
            self.store.next_due(),
            self.drain_deadline,
        ];
        pools.chain(connections.into_iter().chain(others).flatten()).min()
    }
}
