//! The descriptors that a service manager passes to the process it starts: `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`.

use std::env;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::Pid;

const PID: &str = "LISTEN_PID";
const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";
/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// A descriptor with its name.
pub(crate) type ListenFd = (String, OwnedFd);

/// Takes what was passed to the process `pid`: this one, or the supervisor that this one is the first worker of. A second
/// call returns nothing.
pub(super) fn take(pid: Pid) -> Vec<ListenFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| env::var(name).unwrap_or_default();
    let for_pid = variable(PID).parse() == Ok(pid.as_raw_nonzero().get());
    if !for_pid || TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    named(&variable(COUNT), &variable(NAMES))
        .into_iter()
        .map_while(|(fd, name)| Some((name, own(fd)?)))
        .collect()
}

/// Passes the descriptors on to a command, under the same numbers. It takes them by the id of this process.
pub(super) fn pass(command: &mut Command, listen_fds: &[ListenFd]) -> io::Result<()> {
    if listen_fds.is_empty() {
        for name in [PID, COUNT, NAMES] {
            command.env_remove(name);
        }
    }
    listen_fds.iter().try_for_each(|(_, descriptor)| Ok(fcntl_setfd(descriptor, FdFlags::empty())?))
}

/// The numbers of the descriptors with their names, from the values of the variables.
fn named(count: &str, names: &str) -> Vec<(RawFd, String)> {
    // A larger number is invalid.
    let count = count.parse::<u16>().unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    (FIRST..FIRST + RawFd::from(count)).zip(names).collect()
}

/// `None` if no such descriptor is open.
#[expect(unsafe_code, reason = "inherited descriptors are known by their numbers only")]
fn own(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: the borrow ends with this call, which fails for a number that is not open.
    let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) }).ok()?;
    // SAFETY: it is open. The parent opened it for this process and said so in the variables, which are read once;
    // this process has opened nothing yet, so nothing else owns it.
    let own = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&own, flags | FdFlags::CLOEXEC).ok()?;
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_numbers_from_three_on() {
        let three = [(3, "a".to_owned()), (4, String::new()), (5, "b".to_owned())];
        assert_eq!(named("3", "a::b"), three);
        assert_eq!(named("2", "a::b"), three[..2], "more names than descriptors");
        assert_eq!(named("2", ""), [(3, String::new()), (4, String::new())], "fewer");
        for wrong in ["", "0", "-1", "x", "99999999999"] {
            assert_eq!(named(wrong, "a"), [], "{wrong}");
        }
    }
}
