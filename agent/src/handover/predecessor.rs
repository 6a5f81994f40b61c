//! The successor's end: the process that serves, and what it leaves.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;

use super::channel::{Channel, MessageKind};
use super::wire::{self, HandoverState};
use super::{PodGeneration, ReceiveError, VERSION};

/// How long a predecessor may take to write down what it keeps. Its disk may be slow.
const OFFER: Duration = Duration::from_secs(30);
/// How long it may take for each message after that.
const STEP: Duration = Duration::from_secs(5);

/// The process that serves.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) channel: Channel,
}

/// The process that served, and waits to hear that its successor does.
#[derive(Debug)]
pub struct PredecessorGuard(pub(super) Option<Channel>);

impl PredecessorGuard {
    /// Tells it. Dropped instead, it has somebody else serve.
    pub fn serves(self) {
        // One that has ended, now or long ago, needs to know nothing.
        let _ = self.0.map(|channel| channel.say(MessageKind::Serves, &[]));
    }
}

impl Predecessor {
    /// Asks whoever listens at `path` to hand over; `None` if nobody does. When this succeeds, what that process keeps
    /// on disk is complete, and does not change before it hears of us again. `birth` is our pod's, if we are in one.
    pub fn find(path: &Path, birth: Option<PodGeneration>) -> Result<Option<Self>, ReceiveError> {
        let knock = |source| ReceiveError::Knock { path: path.to_owned(), source };
        let Some(socket) = knock_at(path).map_err(knock)? else { return Ok(None) };
        let predecessor = Self { channel: Channel(socket) };
        predecessor.ask(birth).map_err(ReceiveError::Refused)?;
        predecessor.wait_for_offer()?;
        Ok(Some(predecessor))
    }

    fn ask(&self, birth: Option<PodGeneration>) -> io::Result<()> {
        let mut hello = VERSION.to_be_bytes().to_vec();
        hello.extend(birth.into_iter().flat_map(PodGeneration::to_bytes));
        self.channel.set_patience(OFFER)?;
        self.channel.say(MessageKind::Hello, &hello)
    }

    /// Waits until it has written down what it keeps, or says that it will not hand over.
    pub fn wait_for_offer(&self) -> Result<(), ReceiveError> {
        let answer = self.channel.expect_any(&[MessageKind::Offer, MessageKind::Newer]);
        let answer = answer.and_then(|answer| self.channel.set_patience(STEP).map(|()| answer));
        match answer.map_err(ReceiveError::Refused)?.kind {
            MessageKind::Newer => Err(ReceiveError::Newer),
            _ => Ok(()),
        }
    }

    /// Has it stop serving and tell all. From here to [`done`](Self::done) nobody serves.
    pub fn estate(&self) -> Result<HandoverState, ReceiveError> {
        self.read().map_err(ReceiveError::Estate)
    }

    fn read(&self) -> io::Result<HandoverState> {
        let cut = |sentence: &str| io::Error::new(ErrorKind::InvalidData, sentence.to_owned());
        self.channel.say(MessageKind::Ask, &[])?;
        let (mut bytes, mut sockets) = (Vec::new(), Vec::new());
        loop {
            let message = self.channel.receive()?;
            sockets.extend(message.sockets);
            match message.kind {
                MessageKind::Sockets => {}
                MessageKind::Part => bytes.extend(message.body),
                MessageKind::End => {
                    let sent = message.body.first_chunk().map(|count| u64::from_be_bytes(*count));
                    if sent != Some(sockets.len() as u64) {
                        return Err(cut("sockets are missing: is the limit of open files lower here?"));
                    }
                    let estate = proto::handover::HandoverState::decode(bytes.as_slice());
                    return Ok(wire::unpack(estate.map_err(io::Error::other)?, sockets));
                }
                _ => return Err(cut("a message came where an estate was due")),
            }
        }
    }

    /// We could serve; when this succeeds, we must, for it does no more.
    pub fn done(self) -> Result<PredecessorGuard, ReceiveError> {
        let done = || {
            self.channel.say(MessageKind::Ready, &[])?;
            self.channel.expect(MessageKind::Done)
        };
        done().map_err(ReceiveError::Withdrawn)?;
        Ok(PredecessorGuard(Some(self.channel)))
    }
}

/// A connection to whoever listens at `path`.
fn knock_at(path: &Path) -> io::Result<Option<OwnedFd>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.uid() != geteuid().as_raw() => {
            let sentence = format!("it runs as user {}; so must its successor", found.uid());
            return Err(io::Error::new(ErrorKind::PermissionDenied, sentence));
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
