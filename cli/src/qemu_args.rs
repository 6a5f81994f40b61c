//! QEMU's arguments for a virtio-rng device on one of our sockets.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use crate::args::QemuVersion;
use crate::stream::TCP;

/// Where `reconnect-ms` came in and `reconnect` became deprecated.
const MILLISECONDS: QemuVersion = QemuVersion { major: 9, minor: 2, micro: 0 };
/// The oldest that we know to work.
const OLDEST: QemuVersion = QemuVersion { major: 7, minor: 2, micro: 0 };
/// Aborts at start when the first connect with `reconnect-ms` fails (work item 3528 of QEMU).
const ABORTS: QemuVersion = QemuVersion { major: 11, minor: 0, micro: 0 };

/// The arguments, one option and its value after the other.
pub(crate) fn qemu_args(socket: &str, version: Option<QemuVersion>) -> Result<Vec<String>> {
    let reconnect = reconnect(version.unwrap_or(OLDEST))?;
    let place = place(socket)?;
    let arguments = [
        "-chardev",
        &format!("socket,id=entropool-socket,{place},{reconnect}"),
        "-object",
        "rng-egd,id=entropool-rng,chardev=entropool-socket",
        "-device",
        "virtio-rng-pci,rng=entropool-rng",
    ];
    Ok(arguments.map(str::to_owned).to_vec())
}

/// The path, or the host and port after `tcp:`.
fn place(socket: &str) -> Result<String> {
    let Some(address) = socket.strip_prefix(TCP) else {
        // A comma ends a value of QEMU's, two are one.
        return Ok(format!("path={}", socket.replace(',', ",,")));
    };
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("{address:?} is no address with a port: write tcp:127.0.0.1:7000"))?;
    // Its requests are two bytes long: without nodelay the second of two waits for the answer to the first.
    Ok(format!("host={},port={},nodelay=on", address.ip(), address.port()))
}

fn reconnect(version: QemuVersion) -> Result<&'static str> {
    if version < OLDEST {
        bail!("QEMU {}.{} is too old: 7.2 and newer are known to work", version.major, version.minor);
    }
    if version == ABORTS {
        bail!(
            "QEMU 11.0.0 aborts when its first connect fails while it is told to reconnect: use another release"
        );
    }
    Ok(if version < MILLISECONDS { "reconnect=1" } else { "reconnect-ms=1000" })
}

/// The arguments as text that a shell takes, one option a line.
pub(crate) fn text(arguments: &[String]) -> String {
    arguments.chunks(2).map(|pair| pair.join(" ") + "\n").collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(version: &str) -> Result<Vec<String>> {
        qemu_args("/run/entropool/vm/web-1/egd.sock", Some(version.parse().unwrap()))
    }

    #[test]
    fn a_qemu_of_unknown_age_is_told_in_seconds() {
        let arguments = qemu_args("/run/entropool/vm/web-1/egd.sock", None).unwrap();
        insta::assert_snapshot!(text(&arguments));
    }

    #[test]
    fn a_new_qemu_is_told_in_milliseconds() {
        assert!(with("9.1.9").unwrap()[1].ends_with(",reconnect=1"));
        assert!(with("9.2").unwrap()[1].ends_with(",reconnect-ms=1000"));
        assert!(with("11.0.1").unwrap()[1].ends_with(",reconnect-ms=1000"));
    }

    #[test]
    fn a_qemu_that_would_fail_is_refused() {
        let said = ["7.1", "11.0.0"].map(|version| with(version).unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_port_has_a_host_and_no_path() {
        for (socket, place) in [
            ("tcp:127.0.0.1:7000", "host=127.0.0.1,port=7000,nodelay=on"),
            ("tcp:[::1]:7000", "host=::1,port=7000,nodelay=on"),
        ] {
            let arguments = qemu_args(socket, None).unwrap();
            assert_eq!(arguments[1], format!("socket,id=entropool-socket,{place},reconnect=1"));
        }
        let refused = qemu_args("tcp:here", None).unwrap_err().to_string();
        assert!(refused.contains("write tcp:127.0.0.1:7000"), "{refused}");
    }

    #[test]
    fn a_comma_in_a_path_stays_in_the_path() {
        assert!(qemu_args("/a,b", None).unwrap()[1].contains("path=/a,,b,reconnect=1"));
    }
}
