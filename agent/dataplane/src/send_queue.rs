//! Whether a peer has left something unread.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io;
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::getsockname;

mod tcp;

/// `SIOCOUTQ`. Asked of a unix socket, it tells the memory of what was sent and not read: zero or not is all that
/// this number is good for.
const SIOCOUTQ: Opcode = 0x5411;

// A few architectures number it otherwise, and none of them runs virtual machines that we serve.
const _: () = assert!(
    cfg!(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64"
    )),
    "look up SIOCOUTQ for this architecture"
);

/// Is there anything that was sent by `socket` and not read by its peer?
pub(crate) fn has_unread(socket: impl AsFd) -> io::Result<bool> {
    let socket = socket.as_fd();
    match SocketAddr::try_from(getsockname(socket)?) {
        // Of TCP it tells what the peer's kernel has not acknowledged; the rest is to be asked of that.
        Ok(ours) => Ok(is_queued(socket)? || tcp::has_unread(socket, ours)?),
        Err(_) => is_queued(socket),
    }
}

#[expect(unsafe_code, reason = "an ioctl that no crate of ours wraps")]
fn is_queued(socket: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: the opcode is that of a request which writes one `int` and nothing else, to the address given; the
    // getter gives that of an `i32`, which is Linux's `int`, and reads it only when the request has succeeded.
    let unread = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }?;
    Ok(unread > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn something_is_unread_until_the_last_byte_is() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(!has_unread(&ours).unwrap());
        ours.write_all(&[7; 64]).unwrap();
        assert!(has_unread(&ours).unwrap());
        theirs.read_exact(&mut [0; 63]).unwrap();
        assert!(has_unread(&ours).unwrap());
        theirs.read_exact(&mut [0]).unwrap();
        assert!(!has_unread(&ours).unwrap());
    }
    #[test]
    fn over_tcp_as_well() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut ours, _) = listener.accept().unwrap();
            assert!(!has_unread(&ours).unwrap());
            ours.write_all(&[7; 64]).unwrap();
            assert!(has_unread(&ours).unwrap());
            theirs.read_exact(&mut [0; 63]).unwrap();
            assert!(has_unread(&ours).unwrap());
            theirs.read_exact(&mut [0]).unwrap();
            assert!(!has_unread(&ours).unwrap());
        }
    }
}
