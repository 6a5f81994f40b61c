//! The first process of a daemon: it starts the one that works, and starts it again when that dies.
//!
//! A kubelet or a service manager would, too, but each time later; a guest that reads meanwhile waits. What can go
//! wrong in here is little, so little is in here: no configuration, no socket, no thread.
//!
//! | signal | what it does |
//! |---|---|
//! | SIGTERM, SIGINT, SIGHUP | passed on; it ends when the worker has |
//! | SIGUSR2 | starts a worker of the program as it is on disk now, which takes over from the one that serves |

mod life;
mod passed;
mod program;
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
use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, kill_process, wait};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Sleep, sleep};

use self::life::{End, Id, Life, Step};
use self::program::Program;

pub use life::Afterwards;
pub use passed::Passed;
pub use worker::Worker;

/// What a worker writes when it serves.
const SERVES: u8 = b'S';
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
    /// The way from each worker that has said nothing yet.
    silent: Vec<(Id, UnixStream)>,
    /// When the next worker is started, if one is to be.
    pause: Option<Pin<Box<Sleep>>>,
}

/// Something happened outside.
#[derive(Clone, Copy)]
enum Event {
    /// A signal for the workers.
    Signal(rustix::process::Signal),
    /// A successor is wanted.
    Succeed,
    /// Some child has ended.
    Child,
    /// A worker has said something, or never will.
    Heard(Id, bool),
    /// The pause is over.
    Due,
}

impl Supervisor {
    fn new(program: Program, afterwards: Afterwards) -> io::Result<Self> {
        let (life, silent) = (Life::new(afterwards), Vec::new());
        Ok(Self { program, life, signals: Signals::new()?, silent, pause: None })
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
        let Self { signals, silent, pause, .. } = self;
        tokio::select! {
            event = signals.next() => event,
            (id, serves) = hear(silent) => Event::Heard(id, serves),
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
            Event::Heard(id, serves) => {
                self.silent.retain(|(silent, _)| *silent != id);
                if serves { vec![self.life.served(id)] } else { Vec::new() }
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
        if let Some(at) = self.silent.iter().position(|(silent, _)| *silent == id) {
            let (_, way) = self.silent.swap_remove(at);
            if matches!(way.try_read(&mut [0]), Ok(1)) {
                let _ = self.life.served(id);
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
        worker::appoint(&mut command, self.life.role(succeeds));
        passed::pass(&mut command, passed)?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let id = Pid::from_child(&child).as_raw_nonzero().get();
        tracing::debug!(worker = id, succeeds, "a worker was started");
        self.silent.push((id, ours));
        self.life.started(id, succeeds);
        Ok(())
    }
}

/// The next worker that says it serves, or closes its end without.
async fn hear(silent: &mut [(Id, UnixStream)]) -> (Id, bool) {
    poll_fn(|context| {
        for (id, way) in &mut *silent {
            let mut byte = [0];
            let mut read = ReadBuf::new(&mut byte);
            if Pin::new(way).poll_read(context, &mut read).is_ready() {
                return Poll::Ready((*id, read.filled() == [SERVES]));
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

struct Signals {
    child: Signal,
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
    succeed: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            succeed: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Event {
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
