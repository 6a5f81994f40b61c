//! Listens, also where the kernel has no IPv6.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::TcpListener;

/// Listens at an address. All of IPv6 is all of IPv4 as well; where there is no IPv6, it is that alone.
pub(crate) async fn listen_at(address: SocketAddr) -> Result<TcpListener> {
    let listener = match (TcpListener::bind(address).await, instead(address)) {
        (Err(error), Some(instead)) if has_no_such_family(&error) => TcpListener::bind(instead).await,
        (listener, _) => listener,
    };
    listener.with_context(|| format!("nobody can listen at {address}"))
}

/// What to listen at where there is no IPv6.
fn instead(address: SocketAddr) -> Option<SocketAddr> {
    (address.ip() == Ipv6Addr::UNSPECIFIED).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// The standard library has no word for it.
fn has_no_such_family(error: &io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_everywhere_without_ipv6_and_an_address_is_that_address() {
        let instead = |text: &str| instead(text.parse().expect("an address")).map(|it| it.to_string());
        assert_eq!(instead("[::]:8443").as_deref(), Some("0.0.0.0:8443"));
        assert_eq!(instead("[::1]:8443"), None);
        assert_eq!(instead("0.0.0.0:8443"), None);
        // What Linux says where IPv6 is switched off at the boot.
        assert!(has_no_such_family(&io::Error::from_raw_os_error(97)));
        assert!(!has_no_such_family(&ErrorKind::AddrInUse.into()));
    }
}
