//! Detects that this host was cloned or restored from a snapshot: another host may then hold the same bytes and secrets in
//! memory.
//!
//! Where the hypervisor has the ACPI device VMGENID, Linux 6.8 and later send a uevent, after the kernel has reseeded its own
//! generator. A program can see nothing else of a clone: no file has the generation id. When uevents were lost, the one of
//! a clone may be among them, but as a rule they are of other devices, so that no source is tested again for it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use dataplane::DataPlaneHandle;

/// The multicast group of uevents from the kernel; udev has another one.
const KERNEL_GROUP: u32 = 1;
/// The variable that `drivers/virt/vmgenid.c` sets.
const NEW_VMGENID: &[u8] = b"NEW_VMGENID=1";
/// A uevent has at most 2 KiB of variables (`lib/kobject_uevent.c`), after its name.
const MAX_UEVENT: usize = 8192;
/// Room for uevents that are not received yet, as udev has it. Only what is used of it takes memory.
const RECEIVE_BUFFER: usize = 128 * 1024 * 1024;
/// The least time between two reactions to lost uevents: bytes are discarded at each.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the devices of the driver are links, by the bus, and what else is there.
const DRIVERS: [&str; 2] = ["/sys/bus/acpi/drivers/vmgenid", "/sys/bus/platform/drivers/vmgenid"];
const MODULE: &str = "module";

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
        let thread = thread::Builder::new().name("vmgenid".to_owned()).spawn(move || {
            run(&socket, &stopped, |uevent| match uevent {
                Uevent::Cloned => cloned(&server),
                Uevent::Lost if may_be_cloned() => lost(&server),
                Uevent::Lost | Uevent::Other => {}
            });
        })?;
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
    // Only a privileged process may have more than `net.core.rmem_max`.
    let _ = set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
        .or_else(|_| set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER));
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

fn cloned(server: &DataPlaneHandle) {
    tracing::warn!(
        "this host was cloned or restored: buffered bytes are discarded, sources are tested again"
    );
    server.restart_tests();
}

fn lost(server: &DataPlaneHandle) {
    tracing::warn!("uevents were lost, and this host may have been cloned: buffered bytes are discarded");
    server.discard_made();
}

/// Whether the kernel has the device, or does not say so.
fn may_be_cloned() -> bool {
    let has_device = |driver: &&str| {
        let mut entries = fs::read_dir(driver).into_iter().flatten().flatten();
        let is_device = |entry: &fs::DirEntry| {
            entry.file_type().is_ok_and(|kind| kind.is_symlink()) && entry.file_name() != MODULE
        };
        entries.any(|entry| is_device(&entry))
    };
    fs::read_dir("/sys/bus/platform/drivers").is_err() || DRIVERS.iter().any(has_device)
}

/// Passes on what may be a clone: once for all uevents that were lost together.
fn run(socket: &OwnedFd, stop: &OwnedFd, report: impl Fn(Uevent)) {
    loop {
        let mut both = [socket, stop].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
        // After a failure (a signal, no memory) the sockets are read anyway.
        let _ = poll(&mut both, None);
        if !both[1].revents().is_empty() {
            return;
        }
        let mut any_lost = false;
        while let Some(uevent) = receive(socket) {
            match uevent {
                Uevent::Cloned => report(uevent),
                Uevent::Lost => any_lost = true,
                Uevent::Other => {}
            }
        }
        if any_lost {
            report(Uevent::Lost);
            if wait(stop, PAUSE) {
                return;
            }
        }
    }
}

/// Whether the thread is to stop.
fn wait(stop: &OwnedFd, pause: Duration) -> bool {
    let mut stop = [PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
    // A second fits; a signal ends the pause, which does no harm.
    let _ = Timespec::try_from(pause).map(|pause| poll(&mut stop, Some(&pause)));
    !stop[0].revents().is_empty()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uevent {
    Cloned,
    /// The socket had no room for some.
    Lost,
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
        Err(Errno::NOBUFS) => Some(Uevent::Lost),
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
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::net::{SendFlags, sendto};

    use super::*;

    #[test]
    fn only_the_variable_counts_and_not_a_name_that_looks_like_it() {
        assert!(has_new_vmgenid(b"change@/devices/QEMUVGID:00\0ACTION=change\0NEW_VMGENID=1\0SEQNUM=7\0"));
        for other in [&b"NEW_VMGENID=1"[..], b"", b"change@/x\0NEW_VMGENID=0\0", b"add@/x\0X=NEW_VMGENID=1\0"]
        {
            assert!(!has_new_vmgenid(other));
        }
    }

    #[test]
    fn lost_uevents_are_reported_once_and_are_no_clone() {
        let (socket, stop) = (listen().unwrap(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        // The least that the kernel allows.
        set_socket_recv_buffer_size(&socket, 0).unwrap();
        let flags = SocketFlags::CLOEXEC;
        let other =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT)).unwrap();
        for _ in 0..100 {
            let group = SocketAddrNetlink::new(0, KERNEL_GROUP);
            match sendto(&other, b"add@/devices/x\0", SendFlags::empty(), &group) {
                // Of the socket that has no more room.
                Ok(_) | Err(Errno::NOBUFS) => {}
                Err(errno) => panic!("{errno}: run as root"),
            }
        }
        let reported = RefCell::new(Vec::new());
        run(&socket, &stop, |uevent| {
            reported.borrow_mut().push(uevent);
            rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        });
        assert_eq!(reported.into_inner(), [Uevent::Lost]);
    }

    #[test]
    fn the_thread_can_be_stopped_and_reports_no_clone_by_itself() {
        let (socket, stop) = (listen().unwrap(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let clones = AtomicUsize::new(0);
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        run(&socket, &stop, |_| {
            clones.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(clones.into_inner(), 0);
    }
}
