//! The program at the other end of a unix socket, as far as the kernel tells it.
//!
//! [`program`] asks the kernel for the process (`SO_PEERCRED`) and `/proc` for its program. To a server, the process is the
//! one that connected; to a client, the one that last called `listen(2)` on the server's socket. A program may call itself
//! what it likes, so the answer is for telling honest programs apart, and never for a right.
#![deny(unsafe_code)]

use std::ffi::{OsStr, OsString, c_int, c_void};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

const SOL_SOCKET: c_int = 1;
const SO_PEERCRED: c_int = 17;

/// What the kernel appends to the name of an executable that has been replaced since it was started.
const DELETED: &[u8] = b" (deleted)";

/// `struct ucred`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Credentials {
    pid: i32,
    uid: u32,
    gid: u32,
}

#[expect(unsafe_code, reason = "a function of the C library, as the manual page declares it")]
unsafe extern "C" {
    fn getsockopt(socket: c_int, level: c_int, option: c_int, value: *mut c_void, length: *mut u32) -> c_int;
}

/// The name of the peer's executable, without its directory, or what the process calls itself (at most 15 bytes) where the
/// executable may not be read. `None` if the kernel does not say: the peer is in a PID namespace that this process does not
/// see, has ended, or came by TCP; or `/proc` is absent, hidden or of another PID namespace.
pub fn program(socket: impl AsFd) -> Option<OsString> {
    program_of(Path::new("/proc"), pid(socket)?)
}

fn program_of(proc: &Path, pid: i32) -> Option<OsString> {
    let own = fs::read_link(proc.join("self")).ok()?;
    if own.as_os_str() != OsStr::new(&std::process::id().to_string()) {
        return None;
    }
    let process = proc.join(pid.to_string());
    // Only its own user and root may read the link; everybody may read the name.
    let program = fs::read_link(process.join("exe")).ok();
    if let Some(program) = program.as_deref().and_then(Path::file_name) {
        let name = program.as_bytes();
        return Some(OsStr::from_bytes(name.strip_suffix(DELETED).unwrap_or(name)).to_owned());
    }
    let mut name = fs::read(process.join("comm")).ok()?;
    name.pop_if(|last| *last == b'\n');
    Some(OsString::from_vec(name)).filter(|name| !name.is_empty())
}

/// The process at the other end; `None` if this one does not see it. (`rustix` reads this option into a type that cannot
/// hold the 0 that the kernel then says.)
fn pid(socket: impl AsFd) -> Option<i32> {
    let mut peer = Credentials::default();
    let mut length = u32::try_from(size_of::<Credentials>()).ok()?;
    #[expect(unsafe_code, reason = "a socket option that no crate of ours reads safely")]
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `peer`, and any bytes are a valid `peer`.
    // Both pointers are valid for the call.
    let failed = unsafe {
        let value = (&raw mut peer).cast::<c_void>();
        getsockopt(socket.as_fd().as_raw_fd(), SOL_SOCKET, SO_PEERCRED, value, &raw mut length)
    };
    (failed == 0 && peer.pid > 0).then_some(peer.pid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn own_program() -> OsString {
        std::env::current_exe().unwrap().file_name().unwrap().to_owned()
    }

    #[test]
    fn the_kernel_tells_the_process_at_either_end_of_a_unix_socket_only() {
        let own = i32::try_from(std::process::id()).ok();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let server = listener.accept().unwrap().0;
        for end in [&client, &server] {
            assert_eq!((pid(end), program(end)), (own, Some(own_program())));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!((pid(&tcp), program(&tcp)), (None, None));
    }

    /// A `/proc` of the process `own`, with process 7.
    fn proc(own: u32) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        symlink(own.to_string(), proc.path().join("self")).unwrap();
        fs::create_dir(proc.path().join("7")).unwrap();
        fs::write(proc.path().join("7/comm"), "prngd\n").unwrap();
        proc
    }

    #[test]
    fn a_program_is_told_by_its_executable_or_else_by_its_name() {
        let proc = proc(std::process::id());
        assert_eq!(program_of(proc.path(), 7).unwrap(), "prngd");
        for (link, program) in [
            ("/usr/sbin/prngd-1.0", "prngd-1.0"),
            ("/usr/bin/entropool (deleted)", "entropool"),
            ("/", "prngd"),
        ] {
            let _ = fs::remove_file(proc.path().join("7/exe"));
            symlink(link, proc.path().join("7/exe")).unwrap();
            assert_eq!(program_of(proc.path(), 7).unwrap(), program, "{link}");
        }
        assert_eq!(program_of(proc.path(), 8), None, "it has ended");
    }

    #[test]
    fn a_proc_of_another_pid_namespace_tells_nothing() {
        let proc = proc(std::process::id() + 1);
        assert_eq!(program_of(proc.path(), 7), None);
        assert_eq!(program_of(Path::new("/nonexistent"), 7), None);
    }
}
