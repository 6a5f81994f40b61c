//! What a supervisor acts on, and the signals among it.

use std::io;

use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::signal::unix::{self, SignalKind};

use super::restart_policy::WorkerId;
use super::worker_channel::WorkerMessage;
use crate::signals::HangUp;

/// What a supervisor acts on.
pub(super) enum SupervisorEvent {
    /// A signal for the workers.
    Signal(Signal),
    /// SIGUSR2: a successor is wanted.
    Succeed,
    /// A child process has exited.
    Child,
    Worker(WorkerId, WorkerMessage),
    /// The pause is over.
    PauseElapsed,
    /// A liveness probe.
    Probe(Option<UnixStream>),
    /// A report to the service manager is due.
    ReportDue,
    /// SIGHUP.
    HangUp,
}

/// The signals that a supervisor handles.
pub(super) struct SupervisorSignals {
    child: unix::Signal,
    hang_up: HangUp,
    interrupt: unix::Signal,
    terminate: unix::Signal,
    succeed: unix::Signal,
}

impl SupervisorSignals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            child: unix::signal(SignalKind::child())?,
            hang_up: HangUp::new()?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            succeed: unix::signal(SignalKind::user_defined2())?,
        })
    }

    pub(super) async fn next(&mut self) -> SupervisorEvent {
        tokio::select! {
            _ = self.child.recv() => SupervisorEvent::Child,
            () = self.hang_up.next() => SupervisorEvent::HangUp,
            _ = self.interrupt.recv() => SupervisorEvent::Signal(Signal::INT),
            _ = self.terminate.recv() => SupervisorEvent::Signal(Signal::TERM),
            _ = self.succeed.recv() => SupervisorEvent::Succeed,
        }
    }
}
