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

mod life;
mod passed;
mod program;
mod sight;
mod signals;
mod watch;
mod way;
mod worker;

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

use self::life::{End, Id, Life, Step};
use self::program::Program;
use self::signals::Signals;
use self::watch::Act;
use self::way::{News, Way};

pub use life::Afterwards;
pub use passed::Passed;
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
pub const TRY_AGAIN: u8 = life::TRY_AGAIN;

/// Keeps a worker at work until somebody wants the end, and gives the exit code. A worker is this very program with the
/// same arguments, which finds itself by [`Worker::here`]; its standard input is taken.
pub fn supervise(afterwards: Afterwards) -> io::Result<u8> {
    // Before this process opens anything.
    let passed = passed::passed_to(getpid());
    let program = Program::of_this_process()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Supervisor::new(program, afterwards)?.run(passed).await })
}

struct Supervisor {
    program: Program,
    life: Life,
    signals: Signals,
    /// The way to each worker.
    ways: Vec<Way>,
    /// How many had to be killed so far because they hung.
    hangs: u64,
    /// When the next worker is started, if one is to be.
    pause: Option<Pin<Box<Sleep>>>,
}

/// Something happened outside.
#[derive(Clone, Copy)]
enum Event {
    /// A signal for the workers.
    Signal(Signal),
    /// A successor is wanted.
    Succeed,
    /// Some child has ended.
    Child,
    /// There is something about a worker.
    News(Id, News),
    /// The pause is over.
    Due,
}

impl Supervisor {
    fn new(program: Program, afterwards: Afterwards) -> io::Result<Self> {
        let (life, ways, hangs) = (Life::new(afterwards), Vec::new(), 0);
        Ok(Self { program, life, signals: Signals::new()?, ways, hangs, pause: None })
    }

    async fn run(mut self, passed: Vec<Passed>) -> io::Result<u8> {
        // A program that cannot be started at all is nothing to try again.
        self.start(false, &passed)?;
        // The first worker has them; whoever else does keeps connections that it ends.
        drop(passed);
        loop {
            let event = self.event().await;
            for step in self.meet(event)? {
                match step {
                    Step::Wait => {}
                    Step::Exit(code) => return Ok(code),
                    Step::Start(pause) => self.pause = Some(Box::pin(sleep(pause))),
                    Step::Succeed => self.try_start(true),
                }
            }
        }
    }

    async fn event(&mut self) -> Event {
        let Self { signals, ways, pause, .. } = self;
        tokio::select! {
            event = signals.next() => event,
            (id, news) = hear(ways) => Event::News(id, news),
            () = due(pause) => Event::Due,
        }
    }

    fn meet(&mut self, event: Event) -> io::Result<Vec<Step>> {
        Ok(match event {
            Event::Signal(signal) => {
                self.pause = None;
                for id in self.life.workers() {
                    // One that has ended meanwhile is waited for next.
                    let _ = Pid::from_raw(id).map(|pid| kill_process(pid, signal));
                }
                vec![self.life.stop()]
            }
            Event::Succeed => vec![self.life.succeed()],
            Event::Child => self.reap()?,
            Event::News(id, News::Serves) => vec![self.life.served(id)],
            Event::News(id, News::Closed) => {
                self.ways.retain(|way| way.id != id);
                Vec::new()
            }
            Event::News(id, News::Due) => {
                self.look(id);
                Vec::new()
            }
            Event::Due => {
                self.pause = None;
                self.try_start(false);
                Vec::new()
            }
        })
    }

    /// Waits for all that have ended. There may be more than one, and strangers: pid 1 inherits orphans.
    fn reap(&mut self) -> io::Result<Vec<Step>> {
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
                Step::Start(pause) => {
                    tracing::error!(worker = id, ?end, ?pause, "the worker died and is started again");
                }
                Step::Wait if self.life.workers().next().is_none() => {
                    tracing::info!(worker = id, "another process serves; this one waits for its end");
                }
                Step::Wait | Step::Succeed | Step::Exit(_) => {}
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
            Act::Wait | Act::Ask => {}
            Act::Spare => tracing::warn!(
                worker = id,
                reason = "WorkerHangs",
                "the worker serves nobody, and somebody debugs it: it is left alone"
            ),
            Act::Kill => {
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

    fn start(&mut self, succeeds: bool, passed: &[Passed]) -> io::Result<()> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let mut command = self.program.again();
        worker::appoint(&mut command, self.life.role(succeeds), self.hangs);
        passed::pass(&mut command, passed)?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let id = Pid::from_child(&child).as_raw_nonzero().get();
        tracing::debug!(worker = id, succeeds, "a worker was started");
        self.life.started(id, succeeds);
        self.ways.push(Way::new(id, ours));
        Ok(())
    }
}

/// The next thing there is about a worker.
async fn hear(ways: &mut [Way]) -> (Id, News) {
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
fn end(status: WaitStatus) -> Option<End> {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    let exited = status.exit_status().map(|code| End::Exited(byte(code)));
    exited.or_else(|| status.terminating_signal().map(|signal| End::Killed(byte(signal))))
}
