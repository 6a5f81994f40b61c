//! The program at the other end of a unix socket, as far as the kernel tells it.

use std::ffi::{OsStr, c_int, c_void};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

const SOL_SOCKET: c_int = 1;
const SO_PEERCRED: c_int = 17;

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

/// Whether the program that connected is a QEMU. False if the kernel does not say: the peer is in a PID namespace that
/// this process does not see, has ended, or came by TCP.
pub(crate) fn is_qemu(socket: impl AsFd) -> bool {
    let Some(pid) = pid(socket) else { return false };
    let process = Path::new("/proc").join(pid.to_string());
    // Only its own user and root may read the link; everybody may read the name, which has at most 15 bytes.
    let program = fs::read_link(process.join("exe")).ok();
    match program.as_deref().and_then(Path::file_name) {
        Some(program) => is_name_of_qemu(program),
        None => fs::read_to_string(process.join("comm")).is_ok_and(|name| is_name_of_qemu(name.as_ref())),
    }
}

/// `qemu-system-x86_64`, `qemu-kvm`, and whatever a distribution calls the others.
fn is_name_of_qemu(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"qemu")
}

/// The process that connected; `None` if this one does not see it. (`rustix` reads this option into a type that cannot
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
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_tells_the_process_at_the_other_end_of_a_unix_socket_only() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(pid(&ours), i32::try_from(std::process::id()).ok());
        assert!(!is_qemu(&ours), "the tests are no QEMU");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(pid(&tcp), None);
        assert!(!is_qemu(&tcp));
    }

    #[test]
    fn a_qemu_is_told_by_the_name_of_its_program() {
        for name in ["qemu-system-x86_64", "qemu-kvm", "qemu-system-x86", "qemu-system-aarch64 (deleted)"] {
            assert!(is_name_of_qemu(name.as_ref()), "{name}");
        }
        for name in ["", "entropool", "openssl", "not-qemu", "tlsmgr"] {
            assert!(!is_name_of_qemu(name.as_ref()), "{name}");
        }
    }
}
