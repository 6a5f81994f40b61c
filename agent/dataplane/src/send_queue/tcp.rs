//! What a peer on this host has not read of a TCP connection: the kernel has its socket as well as ours, and tells
//! the length of its queue to whoever names it (`sock_diag(7)`). Nothing less tells a byte that was read from one
//! that was only received.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use rustix::io::{self, Errno};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, getpeername, recv, sendto, socket_with,
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST: u32 = 16 + 56;
/// Where in the answer, `struct nlmsghdr` and `struct inet_diag_msg`, the length of the peer's queue stands.
const RQUEUE: std::ops::Range<usize> = 72..76;

/// Is there anything in the queue of the peer of `socket`, which has the address `ours`?
pub(super) fn has_unread(socket: BorrowedFd<'_>, ours: SocketAddr) -> io::Result<bool> {
    let theirs = getpeername(socket)?.ok_or(Errno::NOTCONN)?;
    let theirs = SocketAddr::try_from(theirs).map_err(|_| Errno::AFNOSUPPORT)?;
    let flags = SocketFlags::CLOEXEC;
    let diag = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&diag, &request(theirs, ours), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 256];
    // The kernel has answered before `sendto` returned.
    let (_, length) = recv(&diag, &mut answer[..], RecvFlags::DONTWAIT)?;
    unread(&answer[..length.min(answer.len())])
}

fn unread(answer: &[u8]) -> io::Result<bool> {
    // Anything but the socket that was asked for is an error: it has gone, or the kernel cannot tell.
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    if kind != Some(SOCK_DIAG_BY_FAMILY) {
        return Err(Errno::NOENT);
    }
    let queue = answer.get(RQUEUE).and_then(|queue| queue.try_into().ok()).map(u32::from_ne_bytes);
    queue.map(|queue| queue > 0).ok_or(Errno::PROTO)
}

/// Asks for the one socket at `local` that is connected to `remote`.
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST as usize] {
    let mut request = [0; REQUEST as usize];
    request[0..4].copy_from_slice(&REQUEST.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[16] = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    request[17] = IPPROTO_TCP;
    // In every state.
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[24..26].copy_from_slice(&local.port().to_be_bytes());
    request[26..28].copy_from_slice(&remote.port().to_be_bytes());
    put(&mut request[28..44], local.ip());
    put(&mut request[44..60], remote.ip());
    // Whatever its cookie is.
    request[64..72].copy_from_slice(&[u8::MAX; 8]);
    request
}

fn put(place: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => place[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => place.copy_from_slice(&address.octets()),
    }
}
