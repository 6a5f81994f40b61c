//! QEMU's arguments for a virtio-rng device on one of our sockets.

use anyhow::{Result, bail};

use crate::args::QemuVersion;

/// Where `reconnect-ms` came in and `reconnect` became deprecated.
const MILLISECONDS: QemuVersion = QemuVersion { major: 9, minor: 2, micro: 0 };
/// The oldest that we know to work.
const OLDEST: QemuVersion = QemuVersion { major: 7, minor: 2, micro: 0 };
/// Aborts at start when the first connect with `reconnect-ms` fails (work item 3528 of QEMU).
const ABORTS: QemuVersion = QemuVersion { major: 11, minor: 0, micro: 0 };

/// The arguments, one option and its value after the other.
pub(crate) fn qemu_args(socket: &str, version: Option<QemuVersion>) -> Result<Vec<String>> {
    let reconnect = reconnect(version.unwrap_or(OLDEST))?;
    // A comma ends a value of QEMU's, two are one.
    let path = socket.replace(',', ",,");
    let arguments = [
        "-chardev",
        &format!("socket,id=entropool-socket,path={path},{reconnect}"),
        "-object",
        "rng-egd,id=entropool-rng,chardev=entropool-socket",
        "-device",
        "virtio-rng-pci,rng=entropool-rng",
    ];
    Ok(arguments.map(str::to_owned).to_vec())
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
    fn a_comma_in_a_path_stays_in_the_path() {
        assert!(qemu_args("/a,b", None).unwrap()[1].contains("path=/a,,b,reconnect=1"));
    }
}
