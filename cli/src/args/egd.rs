//! Flags of the commands for a VM's socket: `egd` and `qemu-args`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

/// Send an EGD command to a socket
///
/// Bytes that are read are charged to the VM. On a QEMU's socket the daemon sends 64 unsolicited bytes to each new
/// connection; a plain read counts them as its own, and the other commands discard them first.
#[derive(Args, Clone, Debug)]
pub(crate) struct EgdArgs {
    #[command(subcommand)]
    pub(crate) command: EgdCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum EgdCommand {
    /// Print how many bits could be read now (0x00)
    Level {
        /// The socket: a path, or tcp: and an address
        socket: PathBuf,
    },
    /// Read N bytes to standard output (0x02; 0x01 with --non-blocking)
    Read {
        /// The number of bytes
        #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        bytes: u64,
        /// The socket: a path, or tcp: and an address
        socket: PathBuf,
        /// Print hexadecimal digits; required on a terminal
        #[arg(long)]
        hex: bool,
        /// Read only the bytes that are available now
        #[arg(long)]
        non_blocking: bool,
    },
    /// Send standard input as entropy, claiming no bits for it (0x03)
    Write {
        /// The socket: a path, or tcp: and an address
        socket: PathBuf,
    },
    /// Print the process ID of the daemon (0x04)
    Pid {
        /// The socket: a path, or tcp: and an address
        socket: PathBuf,
    },
}

/// Print QEMU's arguments for a VM's socket
///
/// They give the guest a virtio-rng device, and have QEMU reconnect when the daemon restarts.
#[derive(Args, Clone, Debug)]
pub(crate) struct QemuArgs {
    /// An attached VM, the path of a socket (with a slash in it), or tcp: and an address
    #[arg(value_name = "VM|SOCKET")]
    pub(crate) target: String,
    /// The version of the QEMU that will run; from 9.2 on the spelling of "reconnect" differs
    #[arg(long, value_name = "VERSION")]
    pub(crate) qemu_version: Option<QemuVersion>,
}

/// A release of QEMU, as `qemu-system-x86_64 --version` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QemuVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) micro: u32,
}

impl FromStr for QemuVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is not a QEMU version; write it as 7.2 or 9.2.1");
        let numbers: Vec<u32> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| invalid())?;
        match numbers[..] {
            [major, minor] => Ok(Self { major, minor, micro: 0 }),
            [major, minor, micro] => Ok(Self { major, minor, micro }),
            _ => Err(invalid()),
        }
    }
}
