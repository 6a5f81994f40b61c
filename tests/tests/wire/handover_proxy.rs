//! Stands between a successor and the daemon that it asks, passes on what they say, and kills the successor at a step.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use entropool_tests::process::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen,
    recvmsg, sendmsg, socket_with,
};
use rustix::process::{Signal, kill_process};

/// How long two processes may say nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
const SPACE: usize = rustix::cmsg_space!(ScmRights(253));

/// The door of a daemon, with somebody in front of it.
pub(crate) struct HandoverProxy {
    door: PathBuf,
    behind: PathBuf,
    listener: OwnedFd,
}

impl HandoverProxy {
    /// Stands in front of the door at `door`.
    pub(crate) fn stand(door: &Path) -> Self {
        let behind = door.with_file_name("behind.sock");
        fs::rename(door, &behind).unwrap();
        let listener = socket();
        bind(&listener, &SocketAddrUnix::new(door).unwrap()).unwrap();
        listen(&listener, 1).unwrap();
        Self { door: door.to_owned(), behind, listener }
    }

    /// Serves the next successor, which is `supervisor`'s youngest child, and kills it when either says `fatal`, which
    /// is not passed on.
    pub(crate) fn kill_at(&self, fatal: u8, supervisor: Process) -> JoinHandle<()> {
        let (listener, behind) = (self.listener.try_clone().unwrap(), self.behind.clone());
        thread::spawn(move || {
            wait(&[&listener]);
            let successor = accept(&listener).unwrap();
            let predecessor = socket();
            connect(&predecessor, &SocketAddrUnix::new(&behind).unwrap()).unwrap();
            loop {
                for at in wait(&[&successor, &predecessor]) {
                    let (from, to) = [(&successor, &predecessor), (&predecessor, &successor)][at];
                    let (message, sockets) = receive(from);
                    assert!(!message.is_empty(), "one of them hung up before {:?}", char::from(fatal));
                    if message[0] == fatal {
                        let pid = supervisor.children().unwrap().pop().unwrap().pid().unwrap();
                        kill_process(pid, Signal::KILL).unwrap();
                        return;
                    }
                    send(to, &message, &sockets);
                }
            }
        })
    }
}

impl Drop for HandoverProxy {
    fn drop(&mut self) {
        // A later process may have opened a door of its own, which is as well.
        let _ = fs::rename(&self.behind, &self.door);
    }
}

fn socket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Those that have something to say, or have hung up.
fn wait(sockets: &[&OwnedFd]) -> Vec<usize> {
    let mut polled: Vec<_> = sockets.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)).collect();
    assert!(poll(&mut polled, Some(&PATIENCE)).unwrap() > 0, "both are silent");
    (0..polled.len()).filter(|&at| !polled[at].revents().is_empty()).collect()
}

fn receive(from: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = vec![0; 256 * 1024];
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).unwrap();
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let sockets = rights.flatten().collect();
    bytes.truncate(got.bytes);
    (bytes, sockets)
}

fn send(to: &OwnedFd, message: &[u8], sockets: &[OwnedFd]) {
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(sockets.is_empty() || control.push(SendAncillaryMessage::ScmRights(&sockets)));
    sendmsg(to, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL).unwrap();
}
