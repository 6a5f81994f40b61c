//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Connects a `KubeVirt` VM's random number generator to its pool
///
/// A hook sidecar: virt-launcher finds its socket in a shared directory, calls it to change the domain's XML, and ends
/// it with the VM.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-hook", version)]
pub struct SidecarArgs {
    /// The directory in which virt-launcher looks for the sockets of its sidecars
    #[arg(long, value_name = "DIR", default_value = "/var/run/kubevirt-hooks")]
    pub hooks: PathBuf,

    /// The EGD socket in the VM's pod, as QEMU sees it
    #[arg(long, value_name = "SOCKET", default_value = "/run/entropool/egd.sock")]
    pub socket: String,
}
