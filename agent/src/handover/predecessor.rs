//! The successor's end: the process that serves, and what it leaves.

use std::io;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::channel::{Channel, Kind};
use super::wire::{self, Estate};
use super::{TakeOverError, VERSION};

/// How long a predecessor may take to write down what it keeps. Its disk may be slow.
const OFFER: Duration = Duration::from_secs(30);
/// How long it may take for each message after that.
const STEP: Duration = Duration::from_secs(5);

/// The process that serves.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) channel: Channel,
}

impl Predecessor {
    /// Asks whoever listens at `path` to hand over; `None` if nobody does. When this succeeds, what that process keeps
    /// on disk is complete, and does not change before it hears of us again.
    pub fn find(path: &Path) -> Result<Option<Self>, TakeOverError> {
        let socket = || {
            let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
            match connect(&socket, &SocketAddrUnix::new(path)?) {
                Ok(()) => Ok(Some(socket)),
                Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
                Err(errno) => Err(errno),
            }
        };
        let connected =
            socket().map_err(|errno| TakeOverError::Knock { path: path.to_owned(), source: errno.into() });
        let Some(socket) = connected? else { return Ok(None) };
        let channel = Channel(socket);
        let predecessor = Self { channel };
        let hello = || {
            predecessor.channel.set_patience(OFFER)?;
            predecessor.channel.say(Kind::Hello, &VERSION.to_be_bytes())
        };
        hello().map_err(TakeOverError::Refused)?;
        predecessor.wait_for_offer()?;
        Ok(Some(predecessor))
    }

    /// Waits until it has written down what it keeps, or says that it will not hand over.
    pub fn wait_for_offer(&self) -> Result<(), TakeOverError> {
        let offered = self.channel.expect(Kind::Offer).and_then(|_| self.channel.set_patience(STEP));
        offered.map_err(TakeOverError::Refused)
    }

    /// Has it stop serving and tell all. From here to [`done`](Self::done) nobody serves.
    pub fn estate(&self) -> Result<Estate, TakeOverError> {
        self.read().map_err(TakeOverError::Estate)
    }

    fn read(&self) -> io::Result<Estate> {
        let cut = |sentence: &str| io::Error::new(io::ErrorKind::InvalidData, sentence.to_owned());
        self.channel.say(Kind::Ask, &[])?;
        let (mut bytes, mut sockets) = (Vec::new(), Vec::new());
        loop {
            let message = self.channel.receive()?;
            sockets.extend(message.sockets);
            match message.kind {
                Kind::Sockets => {}
                Kind::Part => bytes.extend(message.body),
                Kind::End => {
                    let sent = message.body.first_chunk().map(|count| u64::from_be_bytes(*count));
                    if sent != Some(sockets.len() as u64) {
                        return Err(cut("sockets are missing: is the limit of open files lower here?"));
                    }
                    let estate = proto::handover::Estate::decode(bytes.as_slice());
                    return Ok(wire::unpack(estate.map_err(io::Error::other)?, sockets));
                }
                _ => return Err(cut("a message came where an estate was due")),
            }
        }
    }

    /// We could serve; when this succeeds, we must, for it never will again.
    pub fn done(self) -> Result<(), TakeOverError> {
        let done = || {
            self.channel.say(Kind::Ready, &[])?;
            self.channel.expect(Kind::Done).map(|_| ())
        };
        done().map_err(TakeOverError::Withdrawn)
    }
}
