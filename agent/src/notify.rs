//! Telling a service manager that the daemon serves: systemd's protocol of one datagram.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where a manager that wants to be told listens.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Says that the daemon serves, to whoever wants to know.
pub fn notify_ready() {
    let Some(socket) = env::var_os(VARIABLE) else { return };
    if let Err(error) = tell(&socket, b"READY=1") {
        tracing::warn!(socket = %socket.display(), %error, "the service manager is not told that we serve");
    }
}

fn tell(socket: &OsStr, words: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(words, &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_manager_is_told_wherever_it_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("entropool-notify-{}", std::process::id());
        let addresses = [
            (SocketAddr::from_pathname(&path).unwrap(), path.into_os_string()),
            (SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}").into()),
        ];
        for (address, variable) in addresses {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            tell(&variable, b"READY=1").unwrap();
            let mut words = [0; 16];
            let count = manager.recv(&mut words).unwrap();
            assert_eq!(&words[..count], b"READY=1");
        }
    }
}
