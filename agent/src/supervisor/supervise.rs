//! The event loop of the supervisor: signals, workers that start and exit, and the watchdog.

use std::env;
use std::ffi::OsString;
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Sleep, sleep};

use super::listen_fds::{self, ListenFd};
use super::restart_policy::{OnSuccess, PolicyStep, RestartPolicy, WorkerExit, WorkerId};
use super::watchdog::WatchdogAction;
use super::worker;
use super::worker_channel::{LOCK, WorkerChannel, WorkerMessage, send};

/// Before the next attempt when no process can be started.
const RETRY: Duration = Duration::from_secs(1);
/// The program of this process, which the kernel starts though its file was removed.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// Keeps a worker running until a signal ends it, and returns the exit code. A worker is the same program with the same
/// arguments, which recognises itself by [`Worker::here`](super::Worker::here); its standard input is a socket.
pub(crate) fn supervise(on_success: OnSuccess) -> io::Result<u8> {
    // Before this process opens any descriptor.
    let listen_fds = listen_fds::take(getpid());
    let program = Program::of_this_process()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Supervisor::new(program, on_success)?.run(listen_fds).await })
}

struct Supervisor {
    program: Program,
    policy: RestartPolicy,
    signals: SupervisorSignals,
    channels: Vec<WorkerChannel>,
    /// What the workers have locked, and what the next one goes on with.
    locks: Vec<OwnedFd>,
    /// How many workers were killed so far because they hung.
    hangs: u64,
    /// When the next worker is started, if one is to be started.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum SupervisorEvent {
    /// A signal for the workers.
    Signal(Signal),
    /// SIGUSR2: a successor is wanted.
    Succeed,
    /// A child process has exited.
    Child,
    Worker(WorkerId, WorkerMessage),
    /// The pause is over.
    PauseElapsed,
}

impl Supervisor {
    fn new(program: Program, on_success: OnSuccess) -> io::Result<Self> {
        Ok(Self {
            program,
            policy: RestartPolicy::new(on_success),
            signals: SupervisorSignals::new()?,
            channels: Vec::new(),
            locks: Vec::new(),
            hangs: 0,
            pause: None,
        })
    }

    async fn run(mut self, listen_fds: Vec<ListenFd>) -> io::Result<u8> {
        // If the program cannot be started at all, trying again does not help.
        self.start(false, &listen_fds)?;
        // The first worker has them. A copy here would keep connections open that the worker closes.
        drop(listen_fds);
        loop {
            let event = self.next_event().await;
            for step in self.handle(event)? {
                match step {
                    PolicyStep::Wait => {}
                    PolicyStep::Exit(code) => return Ok(code),
                    PolicyStep::Start(pause) => self.pause = Some(Box::pin(sleep(pause))),
                    PolicyStep::Succeed => self.try_start(true),
                }
            }
        }
    }

    async fn next_event(&mut self) -> SupervisorEvent {
        let Self { signals, channels, pause, .. } = self;
        tokio::select! {
            event = signals.next() => event,
            (id, message) = receive(channels) => SupervisorEvent::Worker(id, message),
            () = elapsed(pause) => SupervisorEvent::PauseElapsed,
        }
    }

    fn handle(&mut self, event: SupervisorEvent) -> io::Result<Vec<PolicyStep>> {
        Ok(match event {
            SupervisorEvent::Signal(signal) => {
                self.pause = None;
                for id in self.policy.workers() {
                    // A worker that has already exited is reaped next.
                    let _ = Pid::from_raw(id).map(|pid| kill_process(pid, signal));
                }
                vec![self.policy.stop()]
            }
            SupervisorEvent::Succeed => vec![self.policy.succeed()],
            SupervisorEvent::Child => self.reap()?,
            SupervisorEvent::Worker(id, WorkerMessage::Serves) => {
                if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) {
                    self.locks.extend(channel.take_locks());
                }
                vec![self.policy.served(id)]
            }
            SupervisorEvent::Worker(id, WorkerMessage::Closed) => {
                self.channels.retain(|channel| channel.id != id);
                Vec::new()
            }
            SupervisorEvent::Worker(id, WorkerMessage::CheckDue) => {
                self.check(id);
                Vec::new()
            }
            SupervisorEvent::PauseElapsed => {
                self.pause = None;
                self.try_start(false);
                Vec::new()
            }
        })
    }

    /// Reaps all children that have exited. There may be several, and other processes: pid 1 inherits orphans.
    fn reap(&mut self) -> io::Result<Vec<PolicyStep>> {
        let mut steps = Vec::new();
        loop {
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(exited)) => exited,
                Ok(None) | Err(Errno::CHILD) => return Ok(steps),
                Err(errno) => return Err(errno.into()),
            };
            let Some(exit) = worker_exit(status) else { continue };
            let id = pid.as_raw_nonzero().get();
            self.read_last_messages(id);
            let step = self.policy.exited(id, exit);
            match step {
                PolicyStep::Start(pause) => {
                    tracing::error!(worker = id, end = ?exit, ?pause, "the worker died; restarting it");
                }
                PolicyStep::Wait if self.policy.workers().next().is_none() => {
                    tracing::info!(worker = id, "another process serves; waiting for a signal to end");
                    self.locks.clear();
                }
                PolicyStep::Wait | PolicyStep::Succeed | PolicyStep::Exit(_) => {}
            }
            steps.push(step);
        }
    }

    /// Handles what a worker sent before it died, though its exit was noticed first.
    fn read_last_messages(&mut self, id: WorkerId) {
        let Some(at) = self.channels.iter().position(|channel| channel.id == id) else { return };
        let mut channel = self.channels.swap_remove(at);
        if channel.had_served() {
            self.locks.extend(channel.take_locks());
            let _ = self.policy.served(id);
        }
    }

    /// Checks whether the event loop of a worker still runs.
    fn check(&mut self, id: WorkerId) {
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else { return };
        match channel.check() {
            WatchdogAction::Wait | WatchdogAction::Ping => {}
            WatchdogAction::IgnoreDebugged => tracing::warn!(
                worker = id,
                reason = "WorkerHangs",
                "the worker hangs in a debugger; not killing it"
            ),
            WatchdogAction::Kill => {
                tracing::error!(worker = id, reason = "WorkerHangs", "the worker hangs and is killed");
                self.hangs += 1;
                // Its memory holds secrets: no signal that dumps core.
                let _ = Pid::from_raw(id).map(|pid| kill_process(pid, Signal::KILL));
            }
        }
    }

    fn try_start(&mut self, succeeds: bool) {
        if let Err(error) = self.start(succeeds, &[]) {
            tracing::error!(%error, "failed to start a worker");
            if !succeeds {
                self.pause = Some(Box::pin(sleep(RETRY)));
            }
        }
    }

    fn start(&mut self, succeeds: bool, listen_fds: &[ListenFd]) -> io::Result<()> {
        let (ours, theirs) = StdUnixStream::pair()?;
        // The worker receives them when it starts.
        self.locks.iter().try_for_each(|lock| send(&ours, LOCK, Some(lock.as_fd())))?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let mut command = self.program.command();
        worker::set_environment(&mut command, self.policy.role(succeeds), self.hangs, self.locks.len());
        listen_fds::pass(&mut command, listen_fds)?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let id = Pid::from_child(&child).as_raw_nonzero().get();
        tracing::debug!(worker = id, succeeds, "started a worker");
        self.policy.started(id, succeeds);
        self.channels.push(WorkerChannel::new(id, ours));
        Ok(())
    }
}

/// The next message of any worker.
async fn receive(channels: &mut [WorkerChannel]) -> (WorkerId, WorkerMessage) {
    poll_fn(|context| {
        for channel in &mut *channels {
            if let Poll::Ready(message) = channel.poll(context) {
                return Poll::Ready((channel.id, message));
            }
        }
        Poll::Pending
    })
    .await
}

async fn elapsed(pause: &mut Option<Pin<Box<Sleep>>>) {
    match pause {
        Some(pause) => pause.await,
        None => pending().await,
    }
}

/// `None` for a child that was only stopped or continued.
fn worker_exit(status: WaitStatus) -> Option<WorkerExit> {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    let exited = status.exit_status().map(|code| WorkerExit::Exited(byte(code)));
    exited.or_else(|| status.terminating_signal().map(|signal| WorkerExit::Killed(byte(signal))))
}

/// The program of this process with its arguments.
struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    fn of_this_process() -> io::Result<Self> {
        Ok(Self { path: env::current_exe()?, arguments: env::args_os().skip(1).collect() })
    }

    /// Runs the program that is on disk now, which may be a newer one, or else the one of this process.
    fn command(&self) -> Command {
        let path = if self.path.exists() { self.path.clone() } else { PathBuf::from(RUNNING_PROGRAM) };
        let mut command = Command::new(path);
        command.args(&self.arguments);
        command
    }
}

/// The signals that a supervisor handles.
struct SupervisorSignals {
    child: unix::Signal,
    hang_up: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
    succeed: unix::Signal,
}

impl SupervisorSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            child: unix::signal(SignalKind::child())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            succeed: unix::signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> SupervisorEvent {
        tokio::select! {
            _ = self.child.recv() => SupervisorEvent::Child,
            _ = self.hang_up.recv() => SupervisorEvent::Signal(Signal::HUP),
            _ = self.interrupt.recv() => SupervisorEvent::Signal(Signal::INT),
            _ = self.terminate.recv() => SupervisorEvent::Signal(Signal::TERM),
            _ = self.succeed.recv() => SupervisorEvent::Succeed,
        }
    }
}
