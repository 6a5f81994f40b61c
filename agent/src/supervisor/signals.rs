//! The signals that a supervisor lives by.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::SupervisorEvent;

pub(super) struct Signals {
    child: Signal,
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
    succeed: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            succeed: signal(SignalKind::user_defined2())?,
        })
    }

    pub(super) async fn next(&mut self) -> SupervisorEvent {
        use rustix::process::Signal;
        tokio::select! {
            _ = self.child.recv() => SupervisorEvent::Child,
            _ = self.hang_up.recv() => SupervisorEvent::Signal(Signal::HUP),
            _ = self.interrupt.recv() => SupervisorEvent::Signal(Signal::INT),
            _ = self.terminate.recv() => SupervisorEvent::Signal(Signal::TERM),
            _ = self.succeed.recv() => SupervisorEvent::Succeed,
        }
    }
}
