//! Detects that this host was cloned or restored from a snapshot: another host may then hold the same bytes and secrets in
//! memory.
//!
//! Where the hypervisor has the ACPI device VMGENID, Linux 6.8 and later send a uevent, after the kernel has reseeded its own
//! generator. A program can see nothing else of a clone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use dataplane::DataPlaneHandle;

/// The multicast group of uevents from the kernel; udev has another one.
const KERNEL_GROUP: u32 = 1;
/// The variable that `drivers/virt/vmgenid.c` sets.
const NEW_VMGENID: &[u8] = b"NEW_VMGENID=1";
/// A uevent has at most 2 KiB of variables (`lib/kobject_uevent.c`), after its name.
const MAX_UEVENT: usize = 8192;

/// The thread that receives uevents. It sleeps while no device of the host changes.
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
            .name("vmgenid".to_owned())
            .spawn(move || run(&socket, &stopped, || server.restart_tests()))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for VmgenidMonitor {
    fn drop(&mut self) {
        // A write that fails because the counter is full has woken the thread before.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        // A panic has been reported already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn listen() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

fn run(socket: &OwnedFd, stop: &OwnedFd, cloned: impl Fn()) {
    loop {
        let mut both = [socket, stop].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
        // After a failure (a signal, no memory) the sockets are read anyway.
        let _ = poll(&mut both, None);
        if !both[1].revents().is_empty() {
            return;
        }
        while let Some(uevent) = receive(socket) {
            if uevent == Uevent::Cloned {
                tracing::warn!(
                    "this host was cloned or restored: buffered bytes are discarded, sources are tested again"
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
fn receive(socket: &OwnedFd) -> Option<Uevent> {
    let mut message = [0; MAX_UEVENT];
    match recvfrom(socket, &mut message[..], RecvFlags::empty()) {
        Ok((count, _, from)) => {
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            let is_kernel = from.is_some_and(|from| from.pid() == 0);
            let cloned = is_kernel && has_new_vmgenid(&message[..count.min(MAX_UEVENT)]);
            Some(if cloned { Uevent::Cloned } else { Uevent::Other })
        }
        // Uevents were lost: the one of a clone may be among them.
        Err(Errno::NOBUFS) => Some(Uevent::Cloned),
        Err(Errno::INTR) => Some(Uevent::Other),
        Err(_) => None,
    }
}

/// `change@/devices/…`, then variables, each ended by a zero.
fn has_new_vmgenid(message: &[u8]) -> bool {
    message.split(|byte| *byte == 0).skip(1).any(|variable| variable == NEW_VMGENID)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn only_the_variable_counts_and_not_a_name_that_looks_like_it() {
        assert!(has_new_vmgenid(b"change@/devices/QEMUVGID:00\0ACTION=change\0NEW_VMGENID=1\0SEQNUM=7\0"));
        for other in [&b"NEW_VMGENID=1"[..], b"", b"change@/x\0NEW_VMGENID=0\0", b"add@/x\0X=NEW_VMGENID=1\0"]
        {
            assert!(!has_new_vmgenid(other));
        }
    }

    #[test]
    fn the_thread_can_be_stopped_and_reports_no_clone_by_itself() {
        let (socket, stop) = (listen().unwrap(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let clones = AtomicUsize::new(0);
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        run(&socket, &stop, || {
            clones.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(clones.into_inner(), 0);
    }
}
