//! The predecessor's end of a hand-over: listens for successors and sends them its state.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use dataplane::{Inode, VmState, bind_and_rename, inode};
use prost::Message as _;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use tokio::runtime::{Builder, Runtime};

use super::fd_channel::{BODY, Channel, HANDOVER_SOCKET, MessageKind, OLDEST, VERSION, WITH_LOCKS};
use super::pod_generation::PodGeneration;
use super::recipient::{HandoverError, Recipient};
use super::wire::{self, OwnState};
use crate::fd_packet::DESCRIPTORS;
use crate::signals::Signals;

/// For the owner alone: a process that connects can get every socket.
const MODE: u32 = 0o600;
/// How long a process that connects may take to send *hello*.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a successor may prepare. During that time the data plane serves and changes wait.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same in messages of a successor, which sends one a second; and how long it may be silent.
const MAX_PREPARING: u32 = 30;
const SILENCE: Duration = Duration::from_secs(3);
/// How long a successor may take to receive everything. During that time no process serves.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(1);

/// The socket that successors connect to. Dropped, it removes its file unless that is another process's.
#[derive(Debug)]
pub(crate) struct HandoverListener {
    path: PathBuf,
    inode: Inode,
}

/// A process that wants to take over from this one.
#[derive(Debug)]
pub struct Successor {
    channel: Channel,
    /// Its version of the protocol.
    version: u16,
    /// Dropped with the successor: then the next one is accepted.
    _done: Sender<()>,
}

impl Successor {
    /// One that has sent *hello*, in a simulation.
    #[cfg(feature = "sim")]
    pub(super) fn connected(channel: Channel) -> Self {
        Self { channel, version: VERSION, _done: mpsc::channel().0 }
    }
}

impl HandoverListener {
    /// Listens in the run directory. A daemon serves without it, too, but a planned restart then closes its connections: a
    /// failure is only logged.
    pub(crate) fn in_run_dir(
        run_dir: &Path,
        generation: Option<PodGeneration>,
        handle: impl Fn(Successor) + Send + 'static,
    ) -> Option<Self> {
        let path = run_dir.join(HANDOVER_SOCKET);
        let failed = |error: &io::Error| {
            tracing::warn!(path = %path.display(), %error, "handover unavailable");
        };
        Self::open(&path, generation, handle).inspect_err(failed).ok()
    }

    /// Listens at `path`, replacing another process's socket, and passes successors to `handle`, one at a time. Successors
    /// of pods older than `generation` are refused.
    fn open(
        path: &Path,
        generation: Option<PodGeneration>,
        handle: impl Fn(Successor) + Send + 'static,
    ) -> io::Result<Self> {
        let (socket, inode) = bind_and_rename(path, ".handover.n", bind_at, |error| error)?;
        thread::Builder::new()
            .name("hand-over".to_owned())
            .spawn(move || accept_successors(&socket, generation, &handle))?;
        Ok(Self { path: path.to_owned(), inode })
    }

    /// Whether there is nothing at its path. Another file there is another process's.
    pub(crate) fn is_gone(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err()
    }

    /// Leaves the file to the successor, which replaces it. Checking which process owns it before removing it
    /// would race with that.
    pub(crate) fn leave(mut self) {
        // No file has this inode.
        self.inode = (0, 0);
    }
}

impl Drop for HandoverListener {
    fn drop(&mut self) {
        let own = |found: fs::Metadata| inode(&found) == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(own) {
            // A file that remains is replaced by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind_at(path: &Path) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    listen(&socket, 1)?;
    Ok(socket)
}

fn accept_successors(socket: &OwnedFd, generation: Option<PodGeneration>, handle: &impl Fn(Successor)) {
    loop {
        let Ok(peer) = accept_with(socket, SocketFlags::CLOEXEC) else {
            // No descriptor is free, or a signal came. The successor waits in the backlog.
            let _ = rustix::event::poll(&mut [], Some(&rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 }));
            continue;
        };
        let channel = Channel(peer);
        match receive_hello(&channel) {
            Ok((_, theirs)) if theirs.is_some() && theirs < generation => {
                tracing::info!("handover: refused the agent of an older pod");
                let _ = channel.send(MessageKind::Newer, b"this pod is newer");
            }
            Ok((version, _)) => {
                let (done, finished) = mpsc::channel();
                handle(Successor { channel, version, _done: done });
                // Ends when the successor is dropped.
                let _ = finished.recv();
            }
            Err(error) => {
                tracing::warn!(%error, "handover: invalid hello");
                let _ = channel.send(MessageKind::Refused, error.to_string().as_bytes());
            }
        }
    }
}

/// The protocol version of the peer, and its pod's generation. The mode of the socket's file authenticates it.
fn receive_hello(channel: &Channel) -> io::Result<(u16, Option<PodGeneration>)> {
    channel.set_timeout(HELLO_TIMEOUT)?;
    let hello = channel.expect(MessageKind::Hello)?;
    match hello.body.split_first_chunk() {
        // A newer version can speak this one.
        Some((version, rest)) if u16::from_be_bytes(*version) >= OLDEST => {
            Ok((u16::from_be_bytes(*version), PodGeneration::of_bytes(rest)))
        }
        _ => {
            let message = format!("its version of the protocol is older than {OLDEST}");
            Err(io::Error::new(ErrorKind::InvalidData, message))
        }
    }
}

impl Recipient for Successor {
    type Receipt = PendingSuccessor;

    fn refuse(self, reason: &str) {
        // A closed connection tells it the same.
        let _ = self.channel.send(MessageKind::Refused, reason.as_bytes());
    }

    fn offer(&self) -> Result<(), HandoverError> {
        let offer = || {
            let reports = self.version >= WITH_LOCKS;
            self.channel.set_timeout(if reports { SILENCE } else { PREPARE_TIMEOUT })?;
            self.channel.send(MessageKind::Offer, &VERSION.to_be_bytes())?;
            for _ in 0..MAX_PREPARING {
                if self.channel.expect_any(&[MessageKind::Ask, MessageKind::Preparing])?.kind
                    == MessageKind::Ask
                {
                    return Ok(());
                }
            }
            Err(io::Error::new(ErrorKind::TimedOut, "the other process prepares for too long"))
        };
        offer().map_err(HandoverError::Prepare)
    }

    fn send(
        self,
        vms: &[VmState<BorrowedFd<'_>>],
        own: &OwnState,
    ) -> Result<PendingSuccessor, HandoverError> {
        let send = || {
            self.channel.set_timeout(TRANSFER_TIMEOUT)?;
            let (state, sockets) = wire::pack(vms, own);
            if self.version >= WITH_LOCKS && !own.locks.is_empty() {
                let locks: Vec<_> = own.locks.iter().map(AsFd::as_fd).collect();
                self.channel.send_with_sockets(MessageKind::Locks, &[], &locks)?;
            }
            for chunk in sockets.chunks(DESCRIPTORS) {
                self.channel.send_with_sockets(MessageKind::Sockets, &[], chunk)?;
            }
            let state = state.encode_to_vec();
            for part in state.chunks(BODY) {
                self.channel.send(MessageKind::Part, part)?;
            }
            self.channel.send(MessageKind::End, &(sockets.len() as u64).to_be_bytes())?;
            self.channel.expect(MessageKind::Ready)?;
            self.channel.send(MessageKind::Done, &[])
        };
        send().map_err(HandoverError::Take)?;
        Ok(PendingSuccessor { channel: self.channel, reports_serving: self.version > OLDEST })
    }
}

/// A process that has received everything, and may not serve yet.
#[derive(Debug)]
pub struct PendingSuccessor {
    channel: Channel,
    reports_serving: bool,
}

/// Waits until a successor serves. Created before the API, which handles signals otherwise, stops: so none is lost.
#[derive(Debug)]
pub(crate) struct SuccessorWait {
    runtime: Runtime,
    signals: Signals,
}

impl SuccessorWait {
    /// Handles SIGTERM and SIGINT from now on, and ignores SIGHUP.
    pub(crate) fn begin() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        let signals = {
            let _guard = runtime.enter();
            Signals::new()?
        };
        Ok(Self { runtime, signals })
    }

    /// Waits until `successor` serves. Returns `false` if it died first, so that no process serves. A successor that is
    /// alive but reports nothing counts as serving, as does one that is alive when a signal ends this process.
    pub(crate) fn until_serving(self, successor: PendingSuccessor) -> bool {
        let Self { runtime, mut signals } = self;
        let serves = runtime.block_on(async {
            tokio::select! {
                _ = signals.stop() => true,
                serves = tokio::task::spawn_blocking(move || successor.serves()) => serves.unwrap_or(true),
            }
        });
        runtime.shutdown_background();
        serves
    }
}

impl PendingSuccessor {
    fn serves(&self) -> bool {
        if !self.reports_serving {
            return true;
        }
        let timeout = self.channel.set_timeout(PREPARE_TIMEOUT);
        match timeout.and_then(|()| self.channel.expect(MessageKind::Serves)) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::TimedOut,
        }
    }
}
