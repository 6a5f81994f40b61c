//! The arguments of the two programs that run a daemon.

use std::io;
use std::net::SocketAddr;
use std::path::{PathBuf, absolute};

use clap::Parser;
use dataplane::{AttachRequest, SocketOwner};
use source::Permissions;

use crate::controller_client::{ControllerAddress, ControllerEndpoint};
use crate::directories::Directories;
use crate::metrics::port;
use crate::supervisor::OnSuccess;

/// Serve a node's VMs as configured by its controller
///
/// The agent connects to the controller, applies the configuration that it sends, and serves the VMs of its node. While
/// there is no controller, also at the start, it serves the last configuration it was sent.
///
/// The log is written to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug), and
/// `ENTROPOOL_LOG_FORMAT=json` has it written as JSON.
///
/// `entropool-agent probe SOCKET` is a pod's liveness probe. It asks the first process, at the socket beside the file of
/// --pod-started: `started` has `started.sock`.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-agent", version, max_term_width = 100)]
pub struct NodeArgs {
    /// The name of this node
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    pub node: String,
    /// The controller's address
    #[arg(long, value_name = "https://HOST:PORT", env = "ENTROPOOL_CONTROLLER", hide_env_values = true)]
    pub controller: ControllerAddress,
    /// The projected service account token for the audience controller.entropool.io
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// CA certificates that the controller's certificate is verified with
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// The directory of api.sock
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_RUN_DIR",
        hide_env_values = true,
        default_value = "/run/entropool"
    )]
    pub run_dir: PathBuf,
    /// The directory of the checkpoint, which outlives restarts
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub state_dir: PathBuf,
    /// The directory of the VMs' sockets: VM web-1 has DIR/web-1/egd.sock [default: vm in the run dir]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_SOCKET_DIR", hide_env_values = true)]
    pub socket_dir: Option<PathBuf>,
    /// Serve the CSI driver for pods: the kubelet's directory, usually /var/lib/kubelet
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_KUBELET_DIR", hide_env_values = true)]
    pub kubelet_dir: Option<PathBuf>,
    /// Group that owns the sockets [default: 107, that of QEMU in pods, where --kubelet-dir is given]
    #[arg(long, value_name = "GID", env = "ENTROPOOL_SOCKET_GROUP", hide_env_values = true)]
    pub socket_group: Option<u32>,
    /// Also serve the local API on a port of the loopback interface, which `kubectl entropool` forwards in a pod
    ///
    /// Every process that can connect has the rights of the owner of api.sock, so use it only if the agent has a network
    /// namespace of its own.
    #[arg(long, value_name = "127.0.0.1:PORT", env = "ENTROPOOL_LOCAL", hide_env_values = true, value_parser = loopback)]
    pub local: Option<SocketAddr>,
    /// Character devices that a pool may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub devices: Vec<PathBuf>,
    /// EGD servers that a pool may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub upstreams: Vec<String>,
    /// Take over the sockets, connections and debts of the agent that serves these directories, if there is one
    #[arg(long)]
    pub take_over: bool,
    /// In a pod: a file on a volume with the lifetime of the pod, such as an emptyDir; created if it does not exist
    ///
    /// Its age tells which of two pods is newer. The newer one takes over from the older one when it starts. The older one
    /// then waits until it is stopped, even if its container is restarted.
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_POD_STARTED", hide_env_values = true)]
    pub pod_started: Option<PathBuf>,
    /// Serve /metrics, /healthz and /readyz over HTTP; a port alone is one on 127.0.0.1 [default: nowhere]
    #[arg(long, value_name = "[ADDR:]PORT", env = "ENTROPOOL_METRICS", hide_env_values = true, value_parser = port)]
    pub metrics: Option<SocketAddr>,
    /// Allow pools to draw from regular files, which are not random: for tests
    #[arg(long)]
    pub allow_test_sources: bool,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "write a loopback address and a port: 127.0.0.1:9091".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("{} is not a loopback address: write 127.0.0.1:{}", address.ip(), address.port()))
    }
}

impl NodeArgs {
    /// Absolute paths: other processes get them, and must not depend on this one's working directory.
    pub(super) fn directories(&self) -> io::Result<Directories> {
        let run = absolute(&self.run_dir)?;
        let socket = self.socket_dir.as_deref().map(absolute).transpose()?;
        let socket = socket.unwrap_or_else(|| run.join("vm"));
        Ok(Directories { state: absolute(&self.state_dir)?, run, socket })
    }

    pub(super) fn socket_owner(&self) -> SocketOwner {
        let pods = self.kubelet_dir.is_some().then_some(api::names::SOCKET_GROUP);
        SocketOwner { uid: None, gid: self.socket_group.or(pods) }
    }

    /// What the supervisor does once another pod has taken over.
    pub(super) fn on_success(&self) -> OnSuccess {
        if self.pod_started.is_some() { OnSuccess::Stay } else { OnSuccess::End }
    }

    /// What pools may open.
    pub(super) fn permissions(&self) -> Permissions {
        Permissions {
            devices: self.devices.clone(),
            upstreams: self.upstreams.clone(),
            test_sources: self.allow_test_sources,
        }
    }

    pub(super) fn endpoint(&self) -> ControllerEndpoint {
        ControllerEndpoint {
            controller: self.controller.clone(),
            node: self.node.clone(),
            token: self.token_file.clone(),
            ca: self.ca_file.clone(),
        }
    }
}

/// How to run a host's daemon.
#[derive(Clone, Debug)]
pub struct HostArgs {
    /// Manifests, or directories of manifests.
    pub files: Vec<PathBuf>,
    pub directories: Directories,
    /// The file mode of `api.sock`.
    pub api_mode: u32,
    /// VMs to attach, with their sockets in the socket directory.
    pub vms: Vec<AttachRequest>,
    /// VMs to attach, each at a port of the loopback interface.
    pub ports: Vec<(SocketAddr, AttachRequest)>,
    /// The namespace of these VMs.
    pub namespace: String,
    /// Take over from the daemon that serves these directories, if there is one.
    pub take_over: bool,
    /// What pools may open.
    pub permissions: Permissions,
    /// Where to serve metrics and health.
    pub metrics: Option<SocketAddr>,
}
