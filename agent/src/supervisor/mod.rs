//! The first process of a daemon: it starts the one that works, and starts it again when that dies.
//!
//! A kubelet or a service manager would, too, but each time later; a guest that reads meanwhile waits. What can go
//! wrong in here is little, so little is in here: no configuration, no socket, no thread. It also sees to it that a worker
//! which serves goes on doing so: one whose event loop stands still is killed, so that the next one serves.
//!
//! | signal | what it does |
//! |---|---|
//! | SIGTERM, SIGINT, SIGHUP | passed on; it ends when the worker has |
//! | SIGUSR2 | starts a worker of the program as it is on disk now, which takes over from the one that serves |

mod listen_fds;
mod proc_status;
mod program;
mod restart_policy;
mod signals;
mod watchdog;
mod worker;
mod worker_channel;

use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::process::Stdio;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::time::{Sleep, sleep};

use self::program::Program;
use self::restart_policy::{Id, PolicyStep, RestartPolicy, WorkerExit};
use self::signals::Signals;
use self::watchdog::WatchdogAction;
use self::worker_channel::{WorkerChannel, WorkerMessage};

pub use listen_fds::ListenFd;
pub use restart_policy::OnSuccess;
pub use worker::Worker;

/// What a worker writes when it serves.
const SERVES: u8 = b'S';
/// What it writes when its loop has answered; the first time behind [`SERVES`], to say that it can be asked.
const ANSWERS: u8 = b'A';
/// What a supervisor writes to ask it.
const ASKED: u8 = b'?';
/// Before the next attempt when the system gives no process.
const RETRY: Duration = Duration::from_secs(1);

/// The exit code of a worker that wants to be started again, though it has never served.
pub const TRY_AGAIN: u8 = restart_policy::TRY_AGAIN;

/// Keeps a worker at work until somebody wants the end, and gives the exit code. A worker is this very program with the
/// same arguments, which finds itself by [`Worker::here`]; its standard input is taken.
pub fn supervise(afterwards: OnSuccess) -> io::Result<u8> {
    // Before this process opens anything.
    let passed = listen_fds::passed_to(getpid());
    let program = Program::of_this_process()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Supervisor::new(program, afterwards)?.run(passed).await })
}

struct Supervisor {
    program: Program,
    life: RestartPolicy,
    signals: Signals,
    /// The way to each worker.
    ways: Vec<WorkerChannel>,
    /// How many had to be killed so far because they hung.
    hangs: u64,
    /// When the next worker is started, if one is to be.
    pause: Option<Pin<Box<Sleep>>>,
}

/// Something happened outside.
#[derive(Clone, Copy)]
enum SupervisorEvent {
    /// A signal for the workers.
    Signal(Signal),
    /// A successor is wanted.
    Succeed,
    /// Some child has ended.
    Child,
    /// There is something about a worker.
    News(Id, WorkerMessage),
    /// The pause is over.
    Due,
}

impl Supervisor {
    fn new(program: Program, afterwards: OnSuccess) -> io::Result<Self> {
        let (life, ways, hangs) = (RestartPolicy::new(afterwards), Vec::new(), 0);
        Ok(Self { program, life, signals: Signals::new()?, ways, hangs, pause: None })
    }

    async fn run(mut self, passed: Vec<ListenFd>) -> io::Result<u8> {
        // A program that cannot be started at all is nothing to try again.
        self.start(false, &passed)?;
        // The first worker has them; whoever else does keeps connections that it ends.
        drop(passed);
        loop {
            let event = self.event().await;
            for step in self.meet(event)? {
                match step {
                    PolicyStep::Wait => {}
                    PolicyStep::Exit(code) => return Ok(code),
                    PolicyStep::Start(pause) => self.pause = Some(Box::pin(sleep(pause))),
                    PolicyStep::Succeed => self.try_start(true),
                }
            }
        }
    }

    async fn event(&mut self) -> SupervisorEvent {
        let Self { signals, ways, pause, .. } = self;
        tokio::select! {
            event = signals.next() => event,
            (id, news) = hear(ways) => SupervisorEvent::News(id, news),
            () = due(pause) => SupervisorEvent::Due,
        }
    }

    fn meet(&mut self, event: SupervisorEvent) -> io::Result<Vec<PolicyStep>> {
        Ok(match event {
            SupervisorEvent::Signal(signal) => {
                self.pause = None;
                for id in self.life.workers() {
                    // One that has ended meanwhile is waited for next.
                    let _ = Pid::from_raw(id).map(|pid| kill_process(pid, signal));
                }
                vec![self.life.stop()]
            }
            SupervisorEvent::Succeed => vec![self.life.succeed()],
            SupervisorEvent::Child => self.reap()?,
            SupervisorEvent::News(id, WorkerMessage::Serves) => vec![self.life.served(id)],
            SupervisorEvent::News(id, WorkerMessage::Closed) => {
                self.ways.retain(|way| way.id != id);
                Vec::new()
            }
            SupervisorEvent::News(id, WorkerMessage::Due) => {
                self.look(id);
                Vec::new()
            }
            SupervisorEvent::Due => {
                self.pause = None;
                self.try_start(false);
                Vec::new()
            }
        })
    }

    /// Waits for all that have ended. There may be more than one, and strangers: pid 1 inherits orphans.
    fn reap(&mut self) -> io::Result<Vec<PolicyStep>> {
        let mut steps = Vec::new();
        loop {
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(Errno::CHILD) => return Ok(steps),
                Err(errno) => return Err(errno.into()),
            };
            let Some(end) = end(status) else { continue };
            let id = pid.as_raw_nonzero().get();
            self.catch_up(id);
            let step = self.life.died(id, end);
            match step {
                PolicyStep::Start(pause) => {
                    tracing::error!(worker = id, ?end, ?pause, "the worker died and is started again");
                }
                PolicyStep::Wait if self.life.workers().next().is_none() => {
                    tracing::info!(worker = id, "another process serves; this one waits for its end");
                }
                PolicyStep::Wait | PolicyStep::Succeed | PolicyStep::Exit(_) => {}
            }
            steps.push(step);
        }
    }

    /// What a worker said before it died counts, though its death was heard first.
    fn catch_up(&mut self, id: Id) {
        if let Some(at) = self.ways.iter().position(|way| way.id == id)
            && self.ways.swap_remove(at).had_served()
        {
            let _ = self.life.served(id);
        }
    }

    /// Sees whether a worker still does what it is there for.
    fn look(&mut self, id: Id) {
        let Some(way) = self.ways.iter_mut().find(|way| way.id == id) else { return };
        match way.look() {
            WatchdogAction::Wait | WatchdogAction::Ask => {}
            WatchdogAction::IgnoreDebugged => tracing::warn!(
                worker = id,
                reason = "WorkerHangs",
                "the worker serves nobody, and somebody debugs it: it is left alone"
            ),
            WatchdogAction::Kill => {
                tracing::error!(
                    worker = id,
                    reason = "WorkerHangs",
                    "the worker serves nobody and is killed"
                );
                self.hangs += 1;
                // What it left in memory is a secret, and a core would be a copy of it: no signal that makes one.
                let _ = Pid::from_raw(id).map(|pid| kill_process(pid, Signal::KILL));
            }
        }
    }

    fn try_start(&mut self, succeeds: bool) {
        if let Err(error) = self.start(succeeds, &[]) {
            tracing::error!(%error, "a worker cannot be started");
            if !succeeds {
                self.pause = Some(Box::pin(sleep(RETRY)));
            }
        }
    }

    fn start(&mut self, succeeds: bool, passed: &[ListenFd]) -> io::Result<()> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let mut command = self.program.again();
        worker::appoint(&mut command, self.life.role(succeeds), self.hangs);
        listen_fds::pass(&mut command, passed)?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let id = Pid::from_child(&child).as_raw_nonzero().get();
        tracing::debug!(worker = id, succeeds, "a worker was started");
        self.life.started(id, succeeds);
        self.ways.push(WorkerChannel::new(id, ours));
        Ok(())
    }
}

/// The next thing there is about a worker.
async fn hear(ways: &mut [WorkerChannel]) -> (Id, WorkerMessage) {
    poll_fn(|context| {
        for way in &mut *ways {
            if let Poll::Ready(news) = way.poll(context) {
                return Poll::Ready((way.id, news));
            }
        }
        Poll::Pending
    })
    .await
}

async fn due(pause: &mut Option<Pin<Box<Sleep>>>) {
    match pause {
        Some(pause) => pause.await,
        None => pending().await,
    }
}

/// `None` for a child that was only stopped or continued.
fn end(status: WaitStatus) -> Option<WorkerExit> {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    let exited = status.exit_status().map(|code| WorkerExit::Exited(byte(code)));
    exited.or_else(|| status.terminating_signal().map(|signal| WorkerExit::Killed(byte(signal))))
}
