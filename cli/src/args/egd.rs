//! Flags of `egd`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Speak EGD to a socket
///
/// What is read is charged to the VM. A QEMU's socket sends 64 bytes unsolicited to whoever connects; a plain read takes
/// them for its own, the other verbs throw them away first.
#[derive(Args, Clone, Debug)]
pub(crate) struct EgdArgs {
    #[command(subcommand)]
    pub(crate) verb: EgdVerb,
}

/// One command of the protocol.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum EgdVerb {
    /// How many bits could be read now (0x00)
    Level {
        /// The socket to ask: a path, or tcp: and an address
        socket: PathBuf,
    },
    /// Read N bytes to standard output (0x02; 0x01 with --non-blocking)
    Read {
        /// How many bytes
        #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        bytes: u64,
        /// The socket to ask
        socket: PathBuf,
        /// Print hexadecimal digits; needed on a terminal
        #[arg(long)]
        hex: bool,
        /// Take what can be had now, and end
        #[arg(long)]
        non_blocking: bool,
    },
    /// Send standard input to be mixed in, claiming no entropy for it (0x03)
    Write {
        /// The socket to send to
        socket: PathBuf,
    },
    /// The process that serves the socket (0x04)
    Pid {
        /// The socket to ask
        socket: PathBuf,
    },
}
