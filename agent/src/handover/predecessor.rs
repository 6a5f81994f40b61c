//! The successor's end of a hand-over: connects to the process that serves and receives its state.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataplane::VmState;
use prost::Message as _;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;

use super::fd_channel::{Channel, HANDOVER_SOCKET, MessageKind, OLDEST, VERSION, WITH_LOCKS};
use super::keepalive::Keepalive;
use super::pod_generation::PodGeneration;
use super::systemd_fdstore::StoredHandover;
use super::wire::{self, HandoverState, OwnState};

/// How long a predecessor may take to write its checkpoint: its disk may be slow.
const OFFER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take for each message after that.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a new process gets sockets and state from.
#[derive(Debug)]
pub(crate) enum HandoverSource {
    /// Another process, which serves.
    Serves(Predecessor),
    /// A service manager: the process before has ended.
    Stored(Box<StoredHandover>),
    /// The supervisor: the worker before has died.
    Died(Vec<VmState<OwnedFd>>),
}

impl HandoverSource {
    /// Receives the complete state. From here until [`commit`](Self::commit) no process serves.
    pub(crate) fn receive(&mut self) -> Result<HandoverState, ReceiveError> {
        match self {
            Self::Serves(predecessor) => predecessor.receive(),
            Self::Stored(stored) => Ok(stored.take()),
            Self::Died(vms) => Ok(HandoverState {
                vms: std::mem::take(vms),
                own: OwnState::default(),
                stopped: dataplane::now(),
            }),
        }
    }

    /// This process is ready to serve. After a success it is the only one that can.
    pub(crate) fn commit(self) -> Result<PredecessorGuard, ReceiveError> {
        match self {
            Self::Serves(predecessor) => predecessor.commit(),
            Self::Stored(stored) => {
                stored.discard();
                Ok(PredecessorGuard(None))
            }
            Self::Died(_) => Ok(PredecessorGuard(None)),
        }
    }
}

/// The process that serves.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) channel: Channel,
    /// While this process prepares.
    pub(super) keepalive: Option<Keepalive>,
}

/// The process that has served, and waits until its successor does. Dropped without [`release`](Self::release), it has its
/// supervisor start another worker.
#[derive(Debug)]
pub struct PredecessorGuard(Option<Channel>);

impl PredecessorGuard {
    /// Tells it that this process serves.
    pub fn release(self) {
        // A predecessor that has exited already does not wait.
        let _ = self.0.map(|channel| channel.send(MessageKind::Serves, &[]));
    }
}

impl Predecessor {
    /// Asks the process that serves in `run_dir` to hand over; `None` if there is none. After a success its checkpoint is
    /// complete, and does not change until it receives another message. `generation` is that of this process's pod.
    pub(crate) fn find(
        run_dir: &Path,
        generation: Option<PodGeneration>,
    ) -> Result<Option<Self>, ReceiveError> {
        let path = run_dir.join(HANDOVER_SOCKET);
        let failed = |source| ReceiveError::Connect { path: path.clone(), source };
        let Some(socket) = connect_to(&path).map_err(failed)? else { return Ok(None) };
        let mut predecessor = Self { channel: Channel(socket), keepalive: None };
        predecessor.send_hello(generation).map_err(ReceiveError::Refused)?;
        let version = predecessor.wait_for_offer()?;
        if version >= WITH_LOCKS {
            predecessor.keepalive =
                Some(Keepalive::start(&predecessor.channel).map_err(ReceiveError::Incomplete)?);
        }
        Ok(Some(predecessor))
    }

    fn send_hello(&self, generation: Option<PodGeneration>) -> io::Result<()> {
        let mut hello = VERSION.to_be_bytes().to_vec();
        hello.extend(generation.into_iter().flat_map(PodGeneration::to_bytes));
        self.channel.set_timeout(OFFER_TIMEOUT)?;
        self.channel.send(MessageKind::Hello, &hello)
    }

    /// Waits until it has written its checkpoint, or refuses. Returns its version of the protocol.
    pub fn wait_for_offer(&self) -> Result<u16, ReceiveError> {
        let answer = self.channel.expect_any(&[MessageKind::Offer, MessageKind::Newer]);
        let answer = answer.and_then(|answer| self.channel.set_timeout(MESSAGE_TIMEOUT).map(|()| answer));
        let answer = answer.map_err(ReceiveError::Refused)?;
        match answer.kind {
            MessageKind::Newer => Err(ReceiveError::Newer),
            _ => Ok(answer.body.first_chunk().map_or(OLDEST, |version| u16::from_be_bytes(*version))),
        }
    }

    /// Makes it stop serving and send its state. From here until [`commit`](Self::commit) no process serves.
    pub fn receive(&mut self) -> Result<HandoverState, ReceiveError> {
        drop(self.keepalive.take());
        self.receive_state().map_err(ReceiveError::Incomplete)
    }

    fn receive_state(&self) -> io::Result<HandoverState> {
        let invalid = |message: &str| io::Error::new(ErrorKind::InvalidData, message.to_owned());
        self.channel.send(MessageKind::Ask, &[])?;
        let (mut bytes, mut sockets, mut locks) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let message = self.channel.receive()?;
            match message.kind {
                MessageKind::Locks => locks.extend(message.sockets),
                MessageKind::Sockets => sockets.extend(message.sockets),
                MessageKind::Part => bytes.extend(message.body),
                MessageKind::End => {
                    let sent = message.body.first_chunk().map(|count| u64::from_be_bytes(*count));
                    if sent != Some(sockets.len() as u64) {
                        return Err(invalid(
                            "sockets are missing: the limit of open files may be lower here",
                        ));
                    }
                    let state = proto::handover::HandoverState::decode(bytes.as_slice());
                    let mut state = wire::unpack(state.map_err(io::Error::other)?, sockets);
                    state.own.locks = locks;
                    return Ok(state);
                }
                _ => return Err(invalid("received another message than the state")),
            }
        }
    }

    /// This process is ready to serve. After a success it must: the predecessor has stopped for good.
    pub fn commit(self) -> Result<PredecessorGuard, ReceiveError> {
        let commit = || {
            self.channel.send(MessageKind::Ready, &[])?;
            self.channel.expect(MessageKind::Done)
        };
        commit().map_err(ReceiveError::Withdrawn)?;
        Ok(PredecessorGuard(Some(self.channel)))
    }
}

/// A connection to the process that listens at `path`, if there is one.
fn connect_to(path: &Path) -> io::Result<Option<OwnedFd>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.uid() != geteuid().as_raw() => {
            let message = format!("it runs as user {}; so must its successor", found.uid());
            return Err(io::Error::new(ErrorKind::PermissionDenied, message));
        }
        found => found?,
    };
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Why a successor does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("cannot connect to the running daemon at {}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    /// The predecessor belongs to a newer pod: it never hands over to this one.
    #[error("the agent of a newer pod serves these directories")]
    Newer,
    #[error("the running daemon does not hand over; it continues to serve")]
    Refused(#[source] io::Error),
    #[error("the running daemon did not hand over everything; it continues to serve")]
    Incomplete(#[source] io::Error),
    #[error("the running daemon did not wait any longer and continues to serve")]
    Withdrawn(#[source] io::Error),
}

impl ReceiveError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "CannotAsk",
            Self::Newer => "NewerPodServes",
            Self::Refused(_) => "Refused",
            Self::Incomplete(_) => "HandoverIncomplete",
            Self::Withdrawn(_) => "Withdrawn",
        }
    }
}
