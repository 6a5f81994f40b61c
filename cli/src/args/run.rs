//! Flags of `run`.

use std::path::PathBuf;

use clap::Args;
use source::Allowed;

use super::Member;
use super::member::namespace;

/// Serve the pools and classes of manifests on this host
///
/// The manifests are the very ones that `kubectl apply` takes, and their changes are followed.
///
/// Without -f it serves one pool `default`, fed by the kernel, with nothing assured and no class but the
/// implicit one. A changed manifest applies at once; one with a mistake is reported, and what was accepted
/// last goes on. SIGTERM serves what may still go, for at most a second, and ends.
///
/// The log goes to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug) and
/// `ENTROPOOL_LOG_FORMAT=json` writes it for programs.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Manifests, or directories of manifests (*.yaml, *.yml, *.json)
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// Where api.sock is made
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_RUN_DIR",
        hide_env_values = true,
        default_value = "/run/entropool"
    )]
    pub(crate) run_dir: PathBuf,
    /// Where what outlives a restart is kept
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
    /// Where the VMs' sockets are made: VM web-1 draws from DIR/web-1/egd.sock [default: vm in the run dir]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_SOCKET_DIR", hide_env_values = true)]
    pub(crate) socket_dir: Option<PathBuf>,
    /// A VM to attach from the start
    #[arg(long = "vm", value_name = "NAME=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) vms: Vec<Member>,
    /// The namespace of the VMs given by --vm
    #[arg(
        long,
        value_name = "NS",
        env = "ENTROPOOL_NAMESPACE",
        hide_env_values = true,
        default_value = "default",
        value_parser = namespace
    )]
    pub(crate) namespace: String,
    /// Character devices that a pool may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub(crate) devices: Vec<PathBuf>,
    /// EGD servers that a pool may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub(crate) upstreams: Vec<String>,
    /// Let pools draw from regular files, which are not random: for tests
    #[arg(long)]
    pub(crate) allow_test_sources: bool,
}

impl RunArgs {
    /// What pools may open.
    pub(crate) fn allowed(&self) -> Allowed {
        Allowed {
            devices: self.devices.clone(),
            upstreams: self.upstreams.clone(),
            test_sources: self.allow_test_sources,
        }
    }

    /// Where the VMs' sockets go.
    pub(crate) fn socket_dir(&self) -> PathBuf {
        self.socket_dir.clone().unwrap_or_else(|| self.run_dir.join("vm"))
    }
}
