//! Detects that this host was cloned or restored from a snapshot: another host may then hold the same bytes and secrets in
//! memory.
//!
//! Where the hypervisor has the ACPI device VMGENID, Linux 5.18 and later reseed their generator, and say so in the kernel's
//! log (`drivers/char/random.c`, `add_vmfork_randomness`). Few also send a uevent: 6.8 did, and 6.9 took it back. A program
//! can see nothing else of a clone: no file has the generation id. When uevents or records were lost, the one of a clone may
//! be among them, but as a rule they are others, so that no source is tested again for it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::io::{Errno, read};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use dataplane::DataPlaneHandle;

/// The multicast group of uevents from the kernel; udev has another one.
const KERNEL_GROUP: u32 = 1;
/// The variable that `drivers/virt/vmgenid.c` sets.
const NEW_VMGENID: &[u8] = b"NEW_VMGENID=1";
/// What the kernel logs when it has reseeded. Only the kernel's own messages have facility 0: what programs write to the
/// log gets another.
const RESEEDED: &[u8] = b"random: crng reseeded due to virtual machine fork";
/// The kernel's log has records of at most so many bytes (`PRINTK_MESSAGE_MAX`).
const MAX_RECORD: usize = 2048;
/// A uevent has at most 2 KiB of variables (`lib/kobject_uevent.c`), after its name.
const MAX_UEVENT: usize = 8192;
/// Room for uevents that are not received yet, as udev has it. Only what is used of it takes memory.
const RECEIVE_BUFFER: usize = 128 * 1024 * 1024;
/// The least time between two reactions to lost notices: bytes are discarded at each.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the devices of the driver are links, by the bus, and what else is there.
const DRIVERS: [&str; 2] = ["/sys/bus/acpi/drivers/vmgenid", "/sys/bus/platform/drivers/vmgenid"];
const MODULE: &str = "module";

/// The thread that receives uevents and the kernel's log. It sleeps while neither has anything new.
#[derive(Debug)]
pub(crate) struct VmgenidMonitor {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl VmgenidMonitor {
    pub(crate) fn start(server: DataPlaneHandle) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (uevents, stopped) = (listen()?, Arc::clone(&stop));
        let log = open_log()
            .inspect_err(|error| {
                tracing::info!(%error, "cannot read /dev/kmsg; a clone of this host is noticed only if the kernel sends a uevent");
            })
            .ok();
        let thread = thread::Builder::new().name("vmgenid".to_owned()).spawn(move || {
            // Before the event loop serves more of what the clone holds as well; without the right to, soon after it.
            let _ = rustix::process::nice(-20);
            run(&uevents, log.as_ref(), &stopped, |notice| match notice {
                Notice::Cloned => cloned(&server),
                Notice::Lost if may_be_cloned() => lost(&server),
                Notice::Lost | Notice::Other => {}
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
    server.restart_tests();
    tracing::warn!(
        "this host was cloned or restored: buffered bytes are discarded, sources are tested again"
    );
}

fn lost(server: &DataPlaneHandle) {
    server.discard_made();
    tracing::warn!(
        "uevents or records of the kernel's log were lost, and this host may have been cloned: buffered bytes are discarded"
    );
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

/// The kernel's log, from its end on.
fn open_log() -> Result<OwnedFd, Errno> {
    let log = open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    seek(&log, SeekFrom::End(0))?;
    Ok(log)
}

/// Passes on what may be a clone: once for all notices that were received together, since one clone is often reported twice.
fn run(uevents: &OwnedFd, log: Option<&OwnedFd>, stop: &OwnedFd, report: impl Fn(Notice)) {
    loop {
        let all = [Some(stop), Some(uevents), log].into_iter().flatten();
        let mut all: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
        // After a failure (a signal, no memory) all are read anyway.
        let _ = poll(&mut all, None);
        if !all[0].revents().is_empty() {
            return;
        }
        let messages = std::iter::from_fn(|| receive(uevents));
        let records = log.into_iter().flat_map(|log| std::iter::from_fn(|| read_record(log)));
        match messages.chain(records).max() {
            Some(Notice::Cloned) => report(Notice::Cloned),
            Some(Notice::Lost) => {
                report(Notice::Lost);
                if wait(stop, PAUSE) {
                    return;
                }
            }
            Some(Notice::Other) | None => {}
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

/// The most important is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    Other,
    /// There was no room for some.
    Lost,
    Cloned,
}

/// The next record of the kernel's log, if there is one.
fn read_record(log: &OwnedFd) -> Option<Notice> {
    let mut record = [0; MAX_RECORD];
    match read(log, &mut record[..]) {
        Ok(0) => None,
        Ok(count) => Some(if is_reseed(&record[..count]) { Notice::Cloned } else { Notice::Other }),
        // Records were overwritten.
        Err(Errno::PIPE) => Some(Notice::Lost),
        Err(Errno::INTR | Errno::INVAL) => Some(Notice::Other),
        Err(_) => None,
    }
}

/// `PRIORITY,SEQUENCE,TIME,FLAGS;MESSAGE`, and lines that follow. The priority is 8 times the facility and the level.
fn is_reseed(record: &[u8]) -> bool {
    let Some(at) = record.iter().position(|byte| *byte == b';') else { return false };
    let priority = record[..at].split(|byte| *byte == b',').next();
    let is_kernel = priority.is_some_and(|priority| matches!(priority, [b'0'..=b'7']));
    is_kernel && record[at + 1..].starts_with(RESEEDED)
}

/// The next uevent, if there is one.
fn receive(socket: &OwnedFd) -> Option<Notice> {
    let mut message = [0; MAX_UEVENT];
    match recvfrom(socket, &mut message[..], RecvFlags::empty()) {
        Ok((count, _, from)) => {
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            let is_kernel = from.is_some_and(|from| from.pid() == 0);
            let cloned = is_kernel && has_new_vmgenid(&message[..count.min(MAX_UEVENT)]);
            Some(if cloned { Notice::Cloned } else { Notice::Other })
        }
        Err(Errno::NOBUFS) => Some(Notice::Lost),
        Err(Errno::INTR) => Some(Notice::Other),
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
    fn only_the_kernels_own_message_counts() {
        assert!(is_reseed(b"5,1042,15645673,-;random: crng reseeded due to virtual machine fork\n"));
        assert!(is_reseed(
            b"5,1042,15645673,-,caller=T1;random: crng reseeded due to virtual machine fork\n X=1\n"
        ));
        for other in [
            &b"13,1042,15645673,-;random: crng reseeded due to virtual machine fork\n"[..],
            b"5,1042,15645673,-;random: crng init done\n",
            b"5,1042,15645673,-;x: random: crng reseeded due to virtual machine fork\n",
            b"random: crng reseeded due to virtual machine fork\n",
            b"",
        ] {
            assert!(!is_reseed(other), "{}", String::from_utf8_lossy(other));
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
        run(&socket, None, &stop, |notice| {
            reported.borrow_mut().push(notice);
            rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        });
        assert_eq!(reported.into_inner(), [Notice::Lost]);
    }

    #[test]
    fn the_thread_can_be_stopped_and_reports_no_clone_by_itself() {
        let (socket, stop) = (listen().unwrap(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let clones = AtomicUsize::new(0);
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        run(&socket, open_log().ok().as_ref(), &stop, |_| {
            clones.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(clones.into_inner(), 0);
    }
}
