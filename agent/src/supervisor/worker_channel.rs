//! The supervisor's end of the socket to one worker, with the worker's watchdog.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use htb::Tick;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep};

use super::crash_loop::Death;
use super::proc_status::ProcStatus;
use super::program::ProgramId;
use super::restart_policy::WorkerId;
use super::socket_store::{SocketStore, StoreChannel};
use super::watchdog::{Watchdog, WatchdogAction};
use crate::fd_packet::{self, Packet};

/// What a worker writes when it serves.
pub(super) const SERVES: u8 = b'S';
/// What it writes to answer a ping; the first time after [`SERVES`], to announce that it answers.
pub(super) const ANSWERS: u8 = b'A';
/// With a descriptor: a lock that must outlive a worker. A worker sends those that it has taken before [`SERVES`], and is
/// sent at its start those that its supervisor keeps.
pub(super) const LOCK: u8 = b'L';
/// With a descriptor, from the supervisor: what it has read from standard input.
pub(super) const INPUT: u8 = b'I';
/// With a descriptor, from the supervisor: the worker's end of the socket of its store.
pub(super) const STORE: u8 = b'F';
/// What a supervisor writes to ping a worker.
const PING: u8 = b'?';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerMessage {
    Serves,
    /// The worker has closed its end.
    Closed,
    /// A watchdog check is due.
    CheckDue,
}

pub(super) struct WorkerChannel {
    pub(super) id: WorkerId,
    /// What it runs; `None`: the program of this process.
    pub(super) program: Option<ProgramId>,
    stream: UnixStream,
    /// Shows whether the worker's event loop sleeps.
    heartbeat: Option<OwnedFd>,
    served: bool,
    /// The worker has closed its end.
    closed: bool,
    /// `None` if it could not be opened.
    store: Option<StoreChannel>,
    /// When it was started, if it was passed sockets of the worker before.
    continues_since: Option<Tick>,
    /// It is being killed because it hangs.
    hung: bool,
    /// What the worker has locked.
    locks: Vec<OwnedFd>,
    watchdog: Watchdog,
    next_check: Option<Pin<Box<Sleep>>>,
}

impl WorkerChannel {
    /// The channel to a worker that was just started, and must serve within so many seconds.
    pub(super) fn new(
        id: WorkerId,
        program: Option<ProgramId>,
        stream: UnixStream,
        store: Option<StoreChannel>,
        start: u16,
    ) -> Self {
        let mut channel = Self {
            id,
            program,
            stream,
            heartbeat: None,
            served: false,
            closed: false,
            continues_since: store.as_ref().filter(|store| store.passes_sockets()).map(|_| dataplane::now()),
            hung: false,
            store,
            locks: Vec::new(),
            watchdog: Watchdog::Starting { left: start },
            next_check: None,
        };
        channel.schedule_check();
        channel
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<WorkerMessage> {
        if let Some(store) = &mut self.store {
            store.poll(context);
        }
        while !self.closed
            && let Poll::Ready(received) = self.poll_receive(context)
        {
            match received {
                Ok(SERVES) => {
                    self.served = true;
                    self.watchdog.served();
                    self.schedule_check();
                    return Poll::Ready(WorkerMessage::Serves);
                }
                Ok(ANSWERS) => {
                    self.watchdog.answered();
                    self.schedule_check();
                }
                // A message of a newer version.
                Ok(_) => {}
                Err(_) => {
                    self.closed = true;
                    return Poll::Ready(WorkerMessage::Closed);
                }
            }
        }
        let Some(check) = &mut self.next_check else { return Poll::Pending };
        ready!(check.as_mut().poll(context));
        Poll::Ready(WorkerMessage::CheckDue)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<u8>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.receive() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    /// The next byte from the worker.
    fn receive(&mut self) -> io::Result<u8> {
        let stream = &self.stream;
        let (byte, descriptor) = stream.try_io(Interest::READABLE, || receive(stream))?;
        match descriptor {
            Some(lock) if byte == LOCK => self.locks.push(lock),
            Some(heartbeat) => self.heartbeat = Some(heartbeat),
            None => {}
        }
        Ok(byte)
    }

    /// Whether a worker that has died had reported that it serves.
    pub(super) fn had_served(&mut self) -> bool {
        std::iter::from_fn(|| self.receive().ok()).any(|byte| byte == SERVES)
    }

    /// No other worker serves any more.
    pub(super) fn hurry(&mut self) {
        self.watchdog.hurry();
        self.schedule_check();
    }

    /// Whether it would be noticed if the worker hung.
    pub(super) fn is_watching(&self) -> bool {
        !self.closed || !self.served
    }

    /// Whether the worker has not served yet, or was killed because of that.
    pub(super) fn is_starting(&self) -> bool {
        !self.served
    }

    /// The locks that the worker has sent.
    pub(super) fn take_locks(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.locks)
    }

    /// How it has died, if it was passed sockets of the worker before; it was `killed` by a SIGKILL.
    pub(super) fn death(&self, killed: bool) -> Option<Death> {
        let lived = Duration::from_nanos(dataplane::now().since(self.continues_since?));
        Some(Death { by_itself: self.hung || !killed, lived })
    }

    /// What is kept of a worker that has died.
    pub(super) fn take_store(&mut self) -> SocketStore {
        self.store.take().map(StoreChannel::into_store).unwrap_or_default()
    }

    /// Runs a watchdog check, and sends a ping if it asks for one.
    pub(super) fn check(&mut self) -> WatchdogAction {
        let action = self.watchdog.check(ProcStatus::of(self.id, self.heartbeat.as_ref()));
        self.hung |= matches!(action, WatchdogAction::Kill | WatchdogAction::KillStarting);
        if action == WatchdogAction::Ping {
            // If the socket is full, earlier pings have not been answered either.
            let _ = self.stream.try_write(&[PING]);
        }
        self.schedule_check();
        action
    }

    fn schedule_check(&mut self) {
        self.next_check = self.watchdog.next_check().map(|pause| Box::pin(sleep(pause)));
    }
}

/// Sends a byte, and a descriptor with it.
pub(super) fn send(socket: impl AsFd, byte: u8, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    fd_packet::send(socket, &[IoSlice::new(&[byte])], &descriptors, SendFlags::empty())
}

/// Receives a byte, and the descriptor that was sent with it.
pub(super) fn receive(stream: impl AsFd) -> io::Result<(u8, Option<OwnedFd>)> {
    let Packet { bytes, descriptors } = fd_packet::receive(stream, 1, RecvFlags::empty())?;
    let byte = bytes.first().copied().ok_or(ErrorKind::UnexpectedEof)?;
    Ok((byte, descriptors.into_iter().next()))
}
