//! Whether a peer has unread bytes.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::{self, Errno};
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, getpeername, getsockname, recv, sendto,
    socket_with,
};

/// `SIOCOUTQ`. For a Unix socket it returns the memory of what was sent and not read, of which only zero or not is
/// meaningful.
const SIOCOUTQ: Opcode = 0x5411;

// A few architectures use another number; none of them runs virtual machines that we serve.
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

/// Whether the peer of `socket` has not read everything that was sent.
pub(crate) fn has_unread(socket: impl AsFd) -> io::Result<bool> {
    let socket = socket.as_fd();
    match SocketAddr::try_from(getsockname(socket)?) {
        // For TCP it returns what is not acknowledged; the rest is in the peer's receive queue.
        Ok(ours) => Ok(is_queued(socket)? || tcp_has_unread(socket, ours)?),
        Err(_) => is_queued(socket),
    }
}

#[expect(unsafe_code, reason = "an ioctl that no crate of ours wraps")]
fn is_queued(socket: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: the request writes one `int` and nothing else to the given address; the getter passes that of an `i32`,
    // which is Linux's `int`, and reads it only if the request has succeeded.
    let unread = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }?;
    Ok(unread > 0)
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST: u32 = 16 + 56;
/// Offset of the queue length in the answer, `struct nlmsghdr` and `struct inet_diag_msg`.
const RQUEUE: std::ops::Range<usize> = 72..76;

/// Whether the TCP peer of `socket`, whose own address is `ours`, has bytes in its receive queue. The peer is on this
/// host, so the kernel has its socket too and reports the queue's length (`sock_diag(7)`). Nothing less distinguishes a
/// byte that was read from one that was only received.
fn tcp_has_unread(socket: BorrowedFd<'_>, ours: SocketAddr) -> io::Result<bool> {
    let theirs = getpeername(socket)?.ok_or(Errno::NOTCONN)?;
    let theirs = SocketAddr::try_from(theirs).map_err(|_| Errno::AFNOSUPPORT)?;
    let flags = SocketFlags::CLOEXEC;
    let diag = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&diag, &request(theirs, ours), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 256];
    // The kernel answers before `sendto` returns.
    let (_, length) = recv(&diag, &mut answer[..], RecvFlags::DONTWAIT)?;
    unread(&answer[..length.min(answer.len())])
}

fn unread(answer: &[u8]) -> io::Result<bool> {
    // Anything but the requested socket is an error: it has closed, or the kernel does not support the query.
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    if kind != Some(SOCK_DIAG_BY_FAMILY) {
        return Err(Errno::NOENT);
    }
    let queue = answer.get(RQUEUE).and_then(|queue| queue.try_into().ok()).map(u32::from_ne_bytes);
    queue.map(|queue| queue > 0).ok_or(Errno::PROTO)
}

/// Requests the one socket at `local` that is connected to `remote`.
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST as usize] {
    let mut request = [0; REQUEST as usize];
    request[0..4].copy_from_slice(&REQUEST.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[16] = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    request[17] = IPPROTO_TCP;
    // Any state.
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[24..26].copy_from_slice(&local.port().to_be_bytes());
    request[26..28].copy_from_slice(&remote.port().to_be_bytes());
    write_ip(&mut request[28..44], local.ip());
    write_ip(&mut request[44..60], remote.ip());
    // Any cookie.
    request[64..72].copy_from_slice(&[u8::MAX; 8]);
    request
}

fn write_ip(field: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => field[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => field.copy_from_slice(&address.octets()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_are_unread_until_the_last_is_read() {
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
    fn bytes_over_tcp_are_unread_until_the_last_is_read() {
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
