//! Where the controller is.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// How to reach the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controller {
    /// `https://HOST:PORT`: TLS, with a certificate of that host.
    Tls {
        /// A name or an address.
        host: String,
        /// A port.
        port: u16,
    },
    /// `http://ADDRESS:PORT`, on this machine only: whoever can listen there is believed.
    Plain(SocketAddr),
    /// `unix:PATH`, likewise.
    Unix(PathBuf),
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControllerError {
    /// It is spelled as none of the three.
    #[error("{0} is no address of a controller: write https://HOST:PORT")]
    Spelling(String),
    /// Anybody on the way could be the controller.
    #[error("http://{0} is not on this machine, and its answers could be anybody's: write https://HOST:PORT")]
    NotLoopback(SocketAddr),
}

/// The port of controllers.
const PORT: u16 = 8443;

impl FromStr for Controller {
    type Err = ControllerError;

    fn from_str(text: &str) -> Result<Self, ControllerError> {
        let wrong = || ControllerError::Spelling(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(address) = text.strip_prefix("http://") {
            let address: SocketAddr = address.parse().map_err(|_| wrong())?;
            let own = address.ip().is_loopback();
            return if own { Ok(Self::Plain(address)) } else { Err(ControllerError::NotLoopback(address)) };
        }
        let (host, port) = split(text.strip_prefix("https://").ok_or_else(wrong)?).ok_or_else(wrong)?;
        Ok(Self::Tls { host: host.to_owned(), port })
    }
}

/// `host`, `host:port`, `[v6]` and `[v6]:port`. `v6:port` as well, which is what the two environment variables of a Service
/// come to: with a port, no address is any other.
fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => match authority.rsplit_once(':') {
            Some((v6, _)) if v6.parse::<Ipv6Addr>().is_ok() => authority.split_at(v6.len()),
            _ => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        },
    };
    let port = if rest.is_empty() { PORT } else { rest.strip_prefix(':')?.parse().ok()? };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    (!host.is_empty() && host.bytes().all(known)).then_some((host, port))
}

impl Display for Controller {
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
    fn an_address_comes_back_as_it_was_written() {
        for text in [
            "https://controller.entropool:8443",
            "https://[::1]:1",
            "http://127.0.0.1:80",
            "unix:/run/x.sock",
        ] {
            assert_eq!(text.parse::<Controller>().map(|it| it.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(
            "https://c".parse::<Controller>().map(|it| it.to_string()).as_deref(),
            Ok("https://c:8443")
        );
    }

    #[test]
    fn the_address_of_an_ipv6_service_needs_no_brackets_before_its_port() {
        for (text, expected) in [
            ("https://fd00:10:96::1f:8443", "https://[fd00:10:96::1f]:8443"),
            ("https://fd00:1:2:3:4:5:6:7:8443", "https://[fd00:1:2:3:4:5:6:7]:8443"),
        ] {
            assert_eq!(text.parse::<Controller>().map(|it| it.to_string()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_to_write() {
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
            let refused = text.parse::<Controller>().map_err(|error| error.to_string());
            let said = format!("{text} is no address of a controller: write https://HOST:PORT");
            assert_eq!(refused, Err(said));
        }
    }

    #[test]
    fn a_controller_on_another_machine_must_have_a_certificate() {
        let refused = "http://192.0.2.1:80".parse::<Controller>();
        assert!(matches!(refused, Err(ControllerError::NotLoopback(_))), "{refused:?}");
    }
}
