//! TCP ports, also where the kernel has no IPv6 and where another process is about to leave one.

use std::io::{self, ErrorKind};
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

/// Pause after a listener failed, for instance because the process has run out of file descriptors: the listener stays
/// readable, and a loop without a pause would spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How often, and at which interval, a port that another process is about to leave is tried.
const ATTEMPTS: u32 = 100;
const INTERVAL: Duration = Duration::from_millis(50);

/// Listens at an address. `[::]` includes all IPv4 addresses; where the kernel has no IPv6, it means only those.
pub async fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    match (TcpListener::bind(address).await, ipv4_fallback(address)) {
        (Err(error), Some(fallback)) if is_unsupported_family(&error) => TcpListener::bind(fallback).await,
        (listener, _) => listener,
    }
}

/// [`bind_tcp`] where there is no runtime yet. The listener is nonblocking, as a runtime expects it.
pub fn bind_tcp_nonblocking(address: SocketAddr) -> io::Result<net::TcpListener> {
    let listener = match (net::TcpListener::bind(address), ipv4_fallback(address)) {
        (Err(error), Some(fallback)) if is_unsupported_family(&error) => net::TcpListener::bind(fallback),
        (listener, _) => listener,
    }?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// [`bind_tcp`] for a port that another process is about to leave: waits up to five seconds for it.
pub async fn bind_tcp_when_free(address: SocketAddr) -> io::Result<TcpListener> {
    for _ in 0..ATTEMPTS {
        match bind_tcp(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(INTERVAL).await,
            bound => return bound,
        }
    }
    bind_tcp(address).await
}

fn ipv4_fallback(address: SocketAddr) -> Option<SocketAddr> {
    (address.ip() == Ipv6Addr::UNSPECIFIED).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// Stable `ErrorKind` has no variant for an unsupported address family.
fn is_unsupported_family(error: &io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_the_unspecified_ipv6_address_falls_back_to_ipv4() {
        let fallback = |text: &str| ipv4_fallback(text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(fallback("[::]:8443").as_deref(), Some("0.0.0.0:8443"));
        assert_eq!((fallback("[::1]:8443"), fallback("0.0.0.0:8443")), (None, None));
        // EAFNOSUPPORT, as Linux returns it where IPv6 was disabled at boot.
        assert!(is_unsupported_family(&io::Error::from_raw_os_error(97)));
        assert!(!is_unsupported_family(&ErrorKind::AddrInUse.into()));
    }

    #[tokio::test]
    async fn a_port_is_bound_once_the_process_that_has_it_leaves() {
        let held = bind_tcp_nonblocking((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = held.local_addr().unwrap();
        assert_eq!(bind_tcp(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let leave = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(held);
        };
        let (bound, ()) = tokio::join!(bind_tcp_when_free(address), leave);
        assert_eq!(bound.unwrap().local_addr().unwrap(), address);
    }
}
