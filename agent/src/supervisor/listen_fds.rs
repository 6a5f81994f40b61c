//! Descriptors that a service manager kept while nobody ran, and passes to whom it starts: `LISTEN_FDS` and its kin.

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
/// Behind standard error.
const FIRST: RawFd = 3;

/// A descriptor with the name that it was kept by.
pub type ListenFd = (String, OwnedFd);

/// What was passed to the process `pid`, which is this one or the one whose first child this is. Whoever asks a second
/// time gets nothing.
pub(super) fn passed_to(pid: Pid) -> Vec<ListenFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| env::var(name).unwrap_or_default();
    let meant = variable(PID).parse() == Ok(pid.as_raw_nonzero().get());
    if !meant || TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    named(&variable(COUNT), &variable(NAMES))
        .into_iter()
        .map_while(|(fd, name)| Some((name, own(fd)?)))
        .collect()
}

/// Passes `passed` on to a command, under the same numbers; it will find them by the id of this process.
pub(super) fn pass(command: &mut Command, passed: &[ListenFd]) -> io::Result<()> {
    if passed.is_empty() {
        for name in [PID, COUNT, NAMES] {
            command.env_remove(name);
        }
    }
    passed.iter().try_for_each(|(_, descriptor)| Ok(fcntl_setfd(descriptor, FdFlags::empty())?))
}

/// The numbers of descriptors, each with its name, as the variables say.
fn named(count: &str, names: &str) -> Vec<(RawFd, String)> {
    // As many as there can be, whatever somebody wrote there.
    let count = count.parse::<u16>().unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    (FIRST..FIRST + RawFd::from(count)).zip(names).collect()
}

/// `None` if no such descriptor is open.
#[expect(unsafe_code, reason = "descriptors that an exec left, whose numbers are all that there is of them")]
fn own(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: it is looked at, not kept; a number that is not open is an error of this call, not of memory.
    let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) }).ok()?;
    // SAFETY: it is open. Whoever started this process opened it for it and said so, in variables that are believed
    // once; nothing in here has opened anything yet, so nothing else has it.
    let own = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&own, flags | FdFlags::CLOEXEC).ok()?;
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_with_numbers_from_three_on() {
        let three = [(3, "a".to_owned()), (4, String::new()), (5, "b".to_owned())];
        assert_eq!(named("3", "a::b"), three);
        assert_eq!(named("2", "a::b"), three[..2], "more names than descriptors");
        assert_eq!(named("2", ""), [(3, String::new()), (4, String::new())], "fewer");
        for wrong in ["", "0", "-1", "x", "99999999999"] {
            assert_eq!(named(wrong, "a"), [], "{wrong}");
        }
    }
}
