//! Notices that this host was cloned, or brought back from a snapshot: then somebody else may hold the very bytes and
//! secrets that are in our memory.
//!
//! The kernel says so where its hypervisor tells it (the ACPI device VMGENID) and it is Linux 6.8 or newer: as a uevent.
//! It reseeds its own generator before. Nothing else that a program can see changes with a clone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use dataplane::DataPlaneHandle;

/// The multicast group of uevents from the kernel; those from udev have another.
const KERNEL: u32 = 1;
/// What `drivers/virt/vmgenid.c` says.
const SAYS: &[u8] = b"NEW_VMGENID=1";
/// A uevent has at most 2 KiB of variables (`lib/kobject_uevent.c`), and its name before.
const LONGEST: usize = 8192;

/// The thread that listens. It sleeps while no device of the host changes.
#[derive(Debug)]
pub(crate) struct VmgenidMonitor {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl VmgenidMonitor {
    pub(crate) fn start(server: DataPlaneHandle) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (socket, stopped) = (listen()?, Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("clone-watch".to_owned())
            .spawn(move || run(&socket, &stopped, || server.restart_tests()))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for VmgenidMonitor {
    fn drop(&mut self) {
        // A count that is full wakes as well.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        // If it panicked, that has been told.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn listen() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
    Ok(socket)
}

fn run(socket: &OwnedFd, stop: &OwnedFd, cloned: impl Fn()) {
    loop {
        let mut both = [socket, stop].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
        // It fails for a signal, or for want of memory; then looking is right, and no worse than waiting.
        let _ = poll(&mut both, None);
        if !both[1].revents().is_empty() {
            return;
        }
        while let Some(news) = hear(socket) {
            if news == Uevent::Cloned {
                tracing::warn!(
                    "this host was cloned or restored: what was made before is void, sources are tested anew"
                );
                cloned();
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uevent {
    Cloned,
    Other,
}

/// The next uevent, if there is one.
fn hear(socket: &OwnedFd) -> Option<Uevent> {
    let mut message = [0; LONGEST];
    match recvfrom(socket, &mut message[..], RecvFlags::empty()) {
        Ok((count, _, from)) => {
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            let is_kernel = from.is_some_and(|from| from.pid() == 0);
            let is_it = is_kernel && says_so(&message[..count.min(LONGEST)]);
            Some(if is_it { Uevent::Cloned } else { Uevent::Other })
        }
        // More happened than was heard: it may have been among what was lost.
        Err(Errno::NOBUFS) => Some(Uevent::Cloned),
        Err(Errno::INTR) => Some(Uevent::Other),
        Err(_) => None,
    }
}

/// `change@/devices/…`, then variables, each ended by a zero.
fn says_so(message: &[u8]) -> bool {
    message.split(|byte| *byte == 0).skip(1).any(|variable| variable == SAYS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn only_the_variable_says_so_and_not_a_name_that_looks_like_it() {
        assert!(says_so(b"change@/devices/QEMUVGID:00\0ACTION=change\0NEW_VMGENID=1\0SEQNUM=7\0"));
        for other in [&b"NEW_VMGENID=1"[..], b"", b"change@/x\0NEW_VMGENID=0\0", b"add@/x\0X=NEW_VMGENID=1\0"]
        {
            assert!(!says_so(other));
        }
    }

    #[test]
    fn who_listens_can_be_stopped_and_hears_nothing_that_was_not_said() {
        let (socket, stop) = (listen().unwrap(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let heard = AtomicUsize::new(0);
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        run(&socket, &stop, || {
            heard.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(heard.into_inner(), 0);
    }
}
