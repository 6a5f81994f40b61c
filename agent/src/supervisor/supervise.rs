//! The event loop of the supervisor: signals, workers that start and exit, and the watchdog.

use std::env;
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::time::{Sleep, sleep};

use super::crash_loop::CrashLoop;
use super::event::{SupervisorEvent, SupervisorSignals};
use super::listen_fds::{self, ListenFd};
use super::liveness::LivenessSocket;
use super::program::{Program, ProgramId};
use super::restart_policy::{OnSuccess, PolicyStep, RestartPolicy, WorkerExit, WorkerId};
use super::service_watchdog::ServiceWatchdog;
use super::socket_store::{SocketStore, StoreChannel};
use super::watchdog::WatchdogAction;
use super::worker;
use super::worker_channel::{INPUT, LOCK, STORE, WorkerChannel, WorkerMessage, send};

/// Before the next attempt when no process can be started.
const RETRY: Duration = Duration::from_secs(1);
/// How many seconds a worker may take until it serves: a start with 10,000 classes takes a quarter of it.
const START: u16 = 60;
const SIGKILL: u8 = 9;
/// The environment variable with another number.
const START_VARIABLE: &str = "ENTROPOOL_START_SECONDS";

/// Keeps a worker running until a signal ends it, and returns the exit code. A worker is the same program with the same
/// arguments, which recognises itself by [`Worker::here`](super::Worker::here); its standard input is a socket.
///
/// Each worker is sent the input.
pub(crate) fn supervise(options: SupervisorOptions) -> io::Result<u8> {
    // Before this process opens any descriptor.
    let listen_fds = listen_fds::take(getpid());
    // It keeps copies of all of a worker's sockets.
    dataplane::make_room();
    let program = Program::of_this_process()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Supervisor::new(program, options)?.run(listen_fds).await })
}

/// How to supervise.
#[derive(Debug, Default)]
pub(crate) struct SupervisorOptions {
    pub(crate) on_success: OnSuccess,
    /// What was read from standard input, which can be read only once.
    pub(crate) input: Option<OwnedFd>,
    /// Where to answer a liveness probe.
    pub(crate) liveness: Option<PathBuf>,
}

struct Supervisor {
    program: Program,
    policy: RestartPolicy,
    signals: SupervisorSignals,
    channels: Vec<WorkerChannel>,
    /// What the workers have locked, and what the next one goes on with.
    locks: Vec<OwnedFd>,
    /// The sockets of the worker that died.
    store: SocketStore,
    crash_loop: CrashLoop,
    input: Option<OwnedFd>,
    /// How many seconds a worker may take until it serves.
    start: u16,
    liveness: Option<LivenessSocket>,
    /// `None` where nobody watches this process.
    service_watchdog: Option<ServiceWatchdog>,
    /// When the next report to it is due.
    report: Option<Pin<Box<Sleep>>>,
    /// How many workers were killed so far because they hung.
    hangs: u64,
    /// A SIGHUP was not passed on yet.
    reload: bool,
    /// When the next worker is started, if one is to be started.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Supervisor {
    fn new(program: Program, options: SupervisorOptions) -> io::Result<Self> {
        let SupervisorOptions { on_success, input, liveness } = options;
        let start = env::var(START_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
        Ok(Self {
            program,
            policy: RestartPolicy::new(on_success),
            signals: SupervisorSignals::new()?,
            channels: Vec::new(),
            locks: Vec::new(),
            store: SocketStore::default(),
            crash_loop: CrashLoop::default(),
            input,
            start: start.unwrap_or(START),
            liveness: liveness.and_then(|path| open_liveness_socket(&path)),
            service_watchdog: ServiceWatchdog::here(),
            report: None,
            hangs: 0,
            reload: false,
            pause: None,
        })
    }

    async fn run(mut self, listen_fds: Vec<ListenFd>) -> io::Result<u8> {
        // If the program cannot be started at all, trying again does not help.
        let program = self.program.choose(false);
        self.start(false, program, &listen_fds)?;
        // The first worker has them. A copy here would keep connections open that the worker closes.
        drop(listen_fds);
        self.report();
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
        let Self { signals, channels, pause, report, liveness, .. } = self;
        tokio::select! {
            event = signals.next() => event,
            (id, message) = receive(channels) => SupervisorEvent::Worker(id, message),
            () = elapsed(pause) => SupervisorEvent::PauseElapsed,
            () = elapsed(report) => SupervisorEvent::ReportDue,
            stream = next_probe(liveness.as_ref()) => SupervisorEvent::Probe(stream),
        }
    }

    fn handle(&mut self, event: SupervisorEvent) -> io::Result<Vec<PolicyStep>> {
        Ok(match event {
            SupervisorEvent::Signal(signal) => {
                self.pause = None;
                self.policy.workers().for_each(|id| send_signal(id, signal));
                vec![self.policy.stop()]
            }
            SupervisorEvent::HangUp => {
                self.reload = true;
                self.reload_if_wanted();
                Vec::new()
            }
            SupervisorEvent::Succeed => {
                self.discard_outdated_successor();
                vec![self.policy.succeed()]
            }
            SupervisorEvent::Probe(stream) => {
                let watching = self.watches();
                if let Some(stream) = stream {
                    LivenessSocket::answer(stream, watching);
                }
                Vec::new()
            }
            SupervisorEvent::ReportDue => {
                self.report();
                Vec::new()
            }
            SupervisorEvent::Child => self.reap()?,
            SupervisorEvent::Worker(id, WorkerMessage::Serves) => {
                if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) {
                    self.locks.extend(channel.take_locks());
                    self.program.served(channel.program);
                    // The worker has them, or did not want them.
                    self.store = SocketStore::default();
                }
                let step = self.policy.served(id);
                self.reload_if_wanted();
                vec![step]
            }
            // It exits, and is reaped next; or it is not watched any more.
            SupervisorEvent::Worker(_, WorkerMessage::Closed) => Vec::new(),
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
            let (was_successor, was_serving) =
                (self.policy.successor() == Some(id), self.policy.serving() == Some(id));
            let had_served = self.read_last_messages(id, exit);
            let step = self.policy.exited(id, exit);
            if was_successor && !had_served {
                tracing::error!(
                    worker = id,
                    end = ?exit,
                    reason = "SuccessorFailed",
                    "the successor ended before it served; the worker before it goes on"
                );
            }
            if self.policy.serving().is_some() {
                // Who serves has them.
                self.store = SocketStore::default();
            }
            match step {
                PolicyStep::Start(pause) => {
                    tracing::error!(worker = id, end = ?exit, ?pause, "the worker died; restarting it");
                }
                PolicyStep::Wait if self.policy.workers().next().is_none() => {
                    tracing::info!(worker = id, "another process serves; waiting for a signal to end");
                    self.locks.clear();
                    self.store = SocketStore::default();
                }
                PolicyStep::Wait | PolicyStep::Succeed | PolicyStep::Exit(_) => {}
            }
            if was_serving && self.policy.serving().is_none() {
                // A successor, which cannot take over any more.
                self.channels.iter_mut().for_each(WorkerChannel::hurry);
            }
            steps.push(step);
        }
    }

    /// Handles what a worker sent before it died, though its exit was noticed first. Whether it has ever served, if it is
    /// known.
    fn read_last_messages(&mut self, id: WorkerId, exit: WorkerExit) -> bool {
        let Some(at) = self.channels.iter().position(|channel| channel.id == id) else { return true };
        let mut channel = self.channels.swap_remove(at);
        let left = channel.take_store();
        if !left.is_empty() {
            self.store = left;
        }
        let killed = exit == WorkerExit::Killed(SIGKILL);
        if channel.death(killed).is_some_and(|death| self.crash_loop.count(death)) {
            tracing::error!(
                reason = "CrashLoop",
                "workers die soon after they were passed sockets; closing all connections"
            );
            self.store = SocketStore::default();
        }
        if channel.had_served() {
            self.locks.extend(channel.take_locks());
            let _ = self.policy.served(id);
        } else if channel.is_starting() {
            self.program.failed(channel.program);
            return false;
        }
        true
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
                send_signal(id, Signal::KILL);
            }
            WatchdogAction::KillStarting => {
                tracing::error!(
                    worker = id,
                    reason = "StartHangs",
                    "the worker hangs in its start and is killed"
                );
                self.hangs += 1;
                send_signal(id, Signal::KILL);
            }
        }
    }

    /// Passes SIGHUP on to the worker that serves: it would end another one.
    fn reload_if_wanted(&mut self) {
        if let Some(id) = self.policy.serving().filter(|_| self.reload) {
            self.reload = false;
            send_signal(id, Signal::HUP);
        }
    }

    /// Kills a worker that is to take over and runs another program than the one on disk: who asks again has replaced it.
    fn discard_outdated_successor(&self) {
        let Some(id) = self.policy.successor() else { return };
        let program =
            self.channels.iter().find(|channel| channel.id == id).and_then(|channel| channel.program);
        if program != self.program.on_disk() {
            send_signal(id, Signal::KILL);
        }
    }

    /// Reports to the service manager that this process works, and that each worker is watched.
    fn report(&mut self) {
        let watching = self.watches();
        let Some(watchdog) = &mut self.service_watchdog else { return };
        if watching {
            watchdog.report();
        }
        self.report = Some(Box::pin(sleep(watchdog.interval())));
    }

    /// Whether each worker is watched.
    fn watches(&self) -> bool {
        let watched = |id| self.channels.iter().any(|channel| channel.id == id && channel.is_watching());
        self.policy.workers().all(watched)
    }

    fn try_start(&mut self, succeeds: bool) {
        let program = self.program.choose(succeeds);
        if let Err(error) = self.start(succeeds, program, &[]) {
            let reason = succeeds.then_some("SuccessorFailed");
            tracing::error!(%error, reason, "failed to start a worker");
            self.program.failed(program);
            if !succeeds {
                self.pause = Some(Box::pin(sleep(if program.is_some() { Duration::ZERO } else { RETRY })));
            }
        }
    }

    fn start(
        &mut self,
        succeeds: bool,
        program: Option<ProgramId>,
        listen_fds: &[ListenFd],
    ) -> io::Result<()> {
        let (ours, theirs) = StdUnixStream::pair()?;
        // The worker receives them when it starts.
        self.locks.iter().try_for_each(|lock| send(&ours, LOCK, Some(lock.as_fd())))?;
        self.input.iter().try_for_each(|input| send(&ours, INPUT, Some(input.as_fd())))?;
        let store = self.open_store(succeeds, &ours);
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let mut command = self.program.command(program);
        let (role, locks, input) = (self.policy.role(succeeds), self.locks.len(), self.input.is_some());
        worker::set_environment(&mut command, role, self.hangs, locks, input, store.is_some());
        listen_fds::pass(&mut command, listen_fds)?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let id = Pid::from_child(&child).as_raw_nonzero().get();
        tracing::debug!(worker = id, succeeds, "started a worker");
        self.policy.started(id, succeeds);
        self.channels.push(WorkerChannel::new(id, program, ours, store, self.start));
        Ok(())
    }

    /// A store for a worker: that of the worker that died, for its next one. Without a store, the worker serves, but its
    /// connections end with it.
    fn open_store(&self, succeeds: bool, worker: &StdUnixStream) -> Option<StoreChannel> {
        let store = if succeeds { SocketStore::default() } else { self.store.clone() };
        let opened = StoreChannel::open(store).and_then(|(channel, theirs)| {
            send(worker, STORE, Some(theirs.as_fd()))?;
            Ok(channel)
        });
        let log = |error: &io::Error| {
            tracing::warn!(%error, "sockets are not kept: a crash will close all connections");
        };
        opened.inspect_err(log).ok()
    }
}

/// A worker that has already exited is reaped next.
fn send_signal(id: WorkerId, signal: Signal) {
    let _ = Pid::from_raw(id).map(|pid| kill_process(pid, signal));
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

async fn next_probe(socket: Option<&LivenessSocket>) -> Option<UnixStream> {
    match socket {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

/// A pod without it is restarted by its kubelet sooner or later; until then it serves.
fn open_liveness_socket(path: &Path) -> Option<LivenessSocket> {
    let failed =
        |error: &io::Error| tracing::error!(path = %path.display(), %error, "cannot answer liveness probes");
    LivenessSocket::bind(path).inspect_err(failed).ok()
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
