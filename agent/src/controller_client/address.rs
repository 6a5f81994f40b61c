//! The address of a controller.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// How to reach a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerAddress {
    /// `https://HOST:PORT`: TLS, with a certificate of that host.
    Tls {
        /// A DNS name or an IP address.
        host: String,
        port: u16,
    },
    /// `http://ADDRESS:PORT`, on a loopback address: any process that can listen there is trusted.
    Plain(SocketAddr),
    /// `unix:PATH`: any process that can listen there is trusted.
    Unix(PathBuf),
}

/// Why an address is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("{0} is not the address of a controller: write https://HOST:PORT")]
    Syntax(String),
    /// Any host on the network could pose as the controller.
    #[error(
        "http://{0} is not a loopback address, and its answers are not authenticated: write https://HOST:PORT"
    )]
    NotLoopback(SocketAddr),
}

const DEFAULT_PORT: u16 = 8443;

impl FromStr for ControllerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::Syntax(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(address) = text.strip_prefix("http://") {
            let address: SocketAddr = address.parse().map_err(|_| wrong())?;
            let own = address.ip().is_loopback();
            return if own { Ok(Self::Plain(address)) } else { Err(AddressError::NotLoopback(address)) };
        }
        let (host, port) = split(text.strip_prefix("https://").ok_or_else(wrong)?).ok_or_else(wrong)?;
        Ok(Self::Tls { host: host.to_owned(), port })
    }
}

/// `host`, `host:port`, `[v6]` and `[v6]:port`. Also `v6:port`, as built from the two environment variables of a Service:
/// since there is always a port, it is unambiguous.
fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => match authority.rsplit_once(':') {
            Some((v6, _)) if v6.parse::<Ipv6Addr>().is_ok() => authority.split_at(v6.len()),
            _ => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        },
    };
    let port = if rest.is_empty() { DEFAULT_PORT } else { rest.strip_prefix(':')?.parse().ok()? };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    (!host.is_empty() && host.bytes().all(known)).then_some((host, port))
}

impl Display for ControllerAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { host, port } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Tls { host, port } => write!(f, "https://{host}:{port}"),
            Self::Plain(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_was_written() {
        for text in [
            "https://controller.entropool:8443",
            "https://[::1]:1",
            "http://127.0.0.1:80",
            "unix:/run/x.sock",
        ] {
            assert_eq!(text.parse::<ControllerAddress>().map(|it| it.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(
            "https://c".parse::<ControllerAddress>().map(|it| it.to_string()).as_deref(),
            Ok("https://c:8443")
        );
    }

    #[test]
    fn an_ipv6_address_needs_no_brackets_before_its_port() {
        for (text, expected) in [
            ("https://fd00:10:96::1f:8443", "https://[fd00:10:96::1f]:8443"),
            ("https://fd00:1:2:3:4:5:6:7:8443", "https://[fd00:1:2:3:4:5:6:7]:8443"),
        ] {
            assert_eq!(text.parse::<ControllerAddress>().map(|it| it.to_string()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn an_invalid_address_is_refused_with_what_to_write() {
        for text in [
            "",
            "controller:8443",
            "https://",
            "https://:1",
            "https://a:b",
            "https://a/b",
            "https://fd00::1:x",
            "http://c:80",
            "unix:",
        ] {
            let refused = text.parse::<ControllerAddress>().map_err(|error| error.to_string());
            let expected = format!("{text} is not the address of a controller: write https://HOST:PORT");
            assert_eq!(refused, Err(expected));
        }
    }

    #[test]
    fn plain_http_is_refused_for_another_machine() {
        let refused = "http://192.0.2.1:80".parse::<ControllerAddress>();
        assert!(matches!(refused, Err(AddressError::NotLoopback(_))), "{refused:?}");
    }
}
