//! The predecessor's end: who asks, and what becomes of it.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
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

use super::channel::{BODY, Channel, DESCRIPTORS, MessageKind};
use super::wire::{self, Sockets};
use super::{HandoverError, OLDEST, PendingSuccessor, PodGeneration, Recipient, VERSION};

/// The socket's name in the run directory.
pub(super) const DOOR: &str = "handover.sock";
/// For its owner alone: who may speak here gets every socket there is.
const MODE: u32 = 0o600;
/// How long a stranger may take to say what it wants.
const HELLO: Duration = Duration::from_secs(1);
/// How long a successor may prepare. The data plane serves meanwhile; changes wait.
pub(super) const PREPARE: Duration = Duration::from_secs(30);
/// How long a successor may take to take over. Nobody is served meanwhile.
const TAKE: Duration = Duration::from_secs(1);

/// Where a successor knocks. When it goes, so does its file, if that is still its own.
#[derive(Debug)]
pub struct HandoverListener {
    path: PathBuf,
    inode: Inode,
}

/// A process that wants to take over from this one.
#[derive(Debug)]
pub struct Successor {
    pub(super) channel: Channel,
    /// Whether it will say when it serves.
    pub(super) tells: bool,
    /// Dropped when there is an end to it: the next one is heard then.
    pub(super) _turn: Sender<()>,
}

impl HandoverListener {
    /// As [`open`](Self::open), in the run directory. Without one a daemon serves as well, and a planned restart costs its
    /// connections; that is said.
    pub fn in_run_dir(
        run_dir: &Path,
        birth: Option<PodGeneration>,
        meet: impl Fn(Successor) + Send + 'static,
    ) -> Option<Self> {
        let path = run_dir.join(DOOR);
        let failed = |error: &io::Error| {
            tracing::warn!(path = %path.display(), %error, "nobody can take over from this process");
        };
        Self::open(&path, birth, meet).inspect_err(failed).ok()
    }

    /// Listens at `path`, whoever was there before, and hands each successor that comes to `meet`: one after the other.
    /// `birth` is our pod's, if we are in one; no older one is let in.
    pub fn open(
        path: &Path,
        birth: Option<PodGeneration>,
        meet: impl Fn(Successor) + Send + 'static,
    ) -> io::Result<Self> {
        let (socket, inode) = bind_and_rename(path, ".handover.n", bind_at, |error| error)?;
        thread::Builder::new().name("hand-over".to_owned()).spawn(move || answer(&socket, birth, &meet))?;
        Ok(Self { path: path.to_owned(), inode })
    }
}

impl HandoverListener {
    /// The file is the successor's, or will be: it puts its own there. To look whose it is and then to remove it would
    /// now and then remove the successor's.
    pub fn leave(mut self) {
        // No file has this inode.
        self.inode = (0, 0);
    }
}

impl Drop for HandoverListener {
    fn drop(&mut self) {
        let own = |found: fs::Metadata| inode(&found) == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(own) {
            // A file that nobody listens at is in nobody's way.
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

fn answer(socket: &OwnedFd, birth: Option<PodGeneration>, meet: &impl Fn(Successor)) {
    loop {
        let Ok(peer) = accept_with(socket, SocketFlags::CLOEXEC) else {
            // No descriptor is free, or a signal came. Who knocks waits.
            let _ = rustix::event::poll(&mut [], Some(&rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 }));
            continue;
        };
        let channel = Channel(peer);
        match introduce(&channel) {
            Ok((_, asks)) if asks.is_some() && asks < birth => {
                tracing::info!("the agent of an older pod asked, and waits for its end");
                let _ = channel.say(MessageKind::Newer, b"this pod is newer");
            }
            Ok((version, _)) => {
                let (turn, over) = mpsc::channel();
                meet(Successor { channel, tells: version > OLDEST, _turn: turn });
                // Ends when the successor is dropped.
                let _ = over.recv();
            }
            Err(error) => {
                tracing::warn!(%error, "somebody knocked who is no successor");
                let _ = channel.say(MessageKind::Refused, error.to_string().as_bytes());
            }
        }
    }
}

/// The version that it speaks, and when its pod started. Who could connect may speak here: the file says who that is.
fn introduce(channel: &Channel) -> io::Result<(u16, Option<PodGeneration>)> {
    channel.set_patience(HELLO)?;
    let hello = channel.expect(MessageKind::Hello)?;
    match hello.body.split_first_chunk() {
        // What is newer knows how to speak to us.
        Some((version, rest)) if u16::from_be_bytes(*version) >= OLDEST => {
            Ok((u16::from_be_bytes(*version), PodGeneration::of_bytes(rest)))
        }
        _ => {
            let sentence = format!("its version of the hand-over is older than {OLDEST}");
            Err(io::Error::new(io::ErrorKind::InvalidData, sentence))
        }
    }
}

impl Recipient for Successor {
    type Heir = PendingSuccessor;

    fn refuse(self, why: &str) {
        // Whoever does not hear it hears nothing, which is the same to it.
        let _ = self.channel.say(MessageKind::Refused, why.as_bytes());
    }

    fn offer(&self) -> Result<(), HandoverError> {
        let offer = || {
            self.channel.set_patience(PREPARE)?;
            self.channel.say(MessageKind::Offer, &VERSION.to_be_bytes())?;
            self.channel.expect(MessageKind::Ask).map(|_| ())
        };
        offer().map_err(HandoverError::Prepare)
    }

    fn give(self, vms: &[VmState<BorrowedFd<'_>>], own: &Sockets) -> Result<PendingSuccessor, HandoverError> {
        let give = || {
            self.channel.set_patience(TAKE)?;
            let (estate, sockets) = wire::pack(vms, own);
            for some in sockets.chunks(DESCRIPTORS) {
                self.channel.send(MessageKind::Sockets, &[], some)?;
            }
            let estate = estate.encode_to_vec();
            for part in estate.chunks(BODY) {
                self.channel.say(MessageKind::Part, part)?;
            }
            self.channel.say(MessageKind::End, &(sockets.len() as u64).to_be_bytes())?;
            self.channel.expect(MessageKind::Ready)?;
            self.channel.say(MessageKind::Done, &[])
        };
        give().map_err(HandoverError::Take)?;
        Ok(PendingSuccessor::new(self.channel, self.tells))
    }
}
