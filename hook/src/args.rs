//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Has a `KubeVirt` VM's random number generator ask the pool's socket.
///
/// A hook sidecar: virt-launcher finds its socket in a directory that it shares with it, asks it to change the
/// domain's XML, and ends it with the VM.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-hook", version)]
pub struct Args {
    /// Where virt-launcher looks for the sockets of its sidecars.
    #[arg(long, value_name = "DIR", default_value = "/var/run/kubevirt-hooks")]
    pub hooks: PathBuf,

    /// The EGD socket in the VM's pod, as QEMU sees it.
    #[arg(long, value_name = "SOCKET", default_value = "/run/entropool/egd.sock")]
    pub socket: String,
}
