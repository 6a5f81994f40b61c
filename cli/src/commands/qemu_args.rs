//! QEMU's arguments for a virtio-rng device on one of our sockets.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use crate::args::QemuVersion;
use crate::egd::TCP;

/// The first release with `reconnect-ms`, in which `reconnect` is deprecated.
const RECONNECT_MS: QemuVersion = QemuVersion { major: 9, minor: 2, micro: 0 };
/// The oldest release that is tested.
const OLDEST: QemuVersion = QemuVersion { major: 7, minor: 2, micro: 0 };
/// It aborts when its first connect with `reconnect-ms` fails (QEMU's work item 3528).
const ABORTING: QemuVersion = QemuVersion { major: 11, minor: 0, micro: 0 };

/// Options, each followed by its value.
pub(crate) fn qemu_args(socket: &str, version: Option<QemuVersion>) -> Result<Vec<String>> {
    let reconnect = reconnect(version.unwrap_or(OLDEST))?;
    let address = address(socket)?;
    let arguments = [
        "-chardev",
        &format!("socket,id=entropool-socket,{address},{reconnect}"),
        "-object",
        "rng-egd,id=entropool-rng,chardev=entropool-socket",
        "-device",
        "virtio-rng-pci,rng=entropool-rng",
    ];
    Ok(arguments.map(str::to_owned).to_vec())
}

/// A path, or the host and port after `tcp:`, as a chardev's properties.
fn address(socket: &str) -> Result<String> {
    let Some(address) = socket.strip_prefix(TCP) else {
        // QEMU takes two commas in a value for one.
        return Ok(format!("path={}", socket.replace(',', ",,")));
    };
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("{address:?} is not an address with a port: write tcp:127.0.0.1:7000"))?;
    // QEMU's requests are two bytes long: without nodelay the second waits for the answer to the first.
    Ok(format!("host={},port={},nodelay=on", address.ip(), address.port()))
}

fn reconnect(version: QemuVersion) -> Result<&'static str> {
    if version < OLDEST {
        bail!("QEMU {}.{} is too old: use 7.2 or newer", version.major, version.minor);
    }
    if version == ABORTING {
        bail!(
            "QEMU 11.0.0 aborts if its first connection fails and it is to reconnect: use 11.0.1 or another release"
        );
    }
    Ok(if version < RECONNECT_MS { "reconnect=1" } else { "reconnect-ms=1000" })
}

/// The arguments as a shell takes them, one option per line.
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
    fn unknown_qemu_reconnects_by_seconds() {
        let arguments = qemu_args("/run/entropool/vm/web-1/egd.sock", None).unwrap();
        insta::assert_snapshot!(text(&arguments));
    }

    #[test]
    fn new_qemu_reconnects_by_milliseconds() {
        assert!(with("9.1.9").unwrap()[1].ends_with(",reconnect=1"));
        assert!(with("9.2").unwrap()[1].ends_with(",reconnect-ms=1000"));
        assert!(with("11.0.1").unwrap()[1].ends_with(",reconnect-ms=1000"));
    }

    #[test]
    fn unusable_qemu_is_rejected() {
        let errors = ["7.1", "11.0.0"].map(|version| with(version).unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn tcp_address_becomes_host_and_port() {
        for (socket, address) in [
            ("tcp:127.0.0.1:7000", "host=127.0.0.1,port=7000,nodelay=on"),
            ("tcp:[::1]:7000", "host=::1,port=7000,nodelay=on"),
        ] {
            let arguments = qemu_args(socket, None).unwrap();
            assert_eq!(arguments[1], format!("socket,id=entropool-socket,{address},reconnect=1"));
        }
        let error = qemu_args("tcp:here", None).unwrap_err().to_string();
        assert!(error.contains("write tcp:127.0.0.1:7000"), "{error}");
    }

    #[test]
    fn comma_in_a_path_is_doubled() {
        assert!(qemu_args("/a,b", None).unwrap()[1].contains("path=/a,,b,reconnect=1"));
    }
}
