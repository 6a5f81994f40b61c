//! Flags of `qemu-args`.

use std::str::FromStr;

use clap::Args;

/// Print QEMU's arguments for a VM's socket
///
/// They give the guest a virtio-rng device.
///
/// QEMU must be told to reconnect: without it the device is dead for good once the daemon restarts.
#[derive(Args, Clone, Debug)]
pub(crate) struct QemuArgs {
    /// A VM of the daemon, the path of a socket (with a slash in it), or tcp: and an address
    #[arg(value_name = "VM|SOCKET")]
    pub(crate) target: String,
    /// The QEMU that will run: from 9.2 the way to say "reconnect" is another one
    #[arg(long, value_name = "VERSION")]
    pub(crate) qemu_version: Option<QemuVersion>,
}

/// A QEMU release, as `qemu-system-x86_64 --version` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QemuVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) micro: u32,
}

impl FromStr for QemuVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no QEMU version: write it as 7.2 or 9.2.1");
        let numbers: Vec<u32> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match numbers[..] {
            [major, minor] => Ok(Self { major, minor, micro: 0 }),
            [major, minor, micro] => Ok(Self { major, minor, micro }),
            _ => Err(wrong()),
        }
    }
}
