//! The signals that a supervisor lives by.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Event;

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

    pub(super) async fn next(&mut self) -> Event {
        use rustix::process::Signal;
        tokio::select! {
            _ = self.child.recv() => Event::Child,
            _ = self.hang_up.recv() => Event::Signal(Signal::HUP),
            _ = self.interrupt.recv() => Event::Signal(Signal::INT),
            _ = self.terminate.recv() => Event::Signal(Signal::TERM),
            _ = self.succeed.recv() => Event::Succeed,
        }
    }
}
