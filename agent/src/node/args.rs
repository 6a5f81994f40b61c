//! Flags, each with its environment variable.

use std::io;
use std::net::SocketAddr;
use std::path::{PathBuf, absolute};

use clap::Parser;
use dataplane::SocketOwner;
use source::Permissions;

use crate::controller_client::{Controller, ControllerEndpoint};
use crate::directories::Directories;
use crate::metrics::port;
use crate::supervisor::OnSuccess;

/// Serve a node's VMs as its controller says
///
/// It connects to the controller, puts in force what that sends, and serves the VMs of its node. Without a
/// controller it serves what it was sent last, for as long as that takes; it starts from that, too.
///
/// The log goes to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug) and
/// `ENTROPOOL_LOG_FORMAT=json` writes it for programs.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-agent", version, max_term_width = 100)]
pub struct Args {
    /// The node this is
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    pub node: String,
    /// Where the controller is
    #[arg(long, value_name = "https://HOST:PORT", env = "ENTROPOOL_CONTROLLER", hide_env_values = true)]
    pub controller: Controller,
    /// The projected service account token for the audience controller.entropool.io
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// Certificates that may sign the controller's
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// Where api.sock is made
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_RUN_DIR",
        hide_env_values = true,
        default_value = "/run/entropool"
    )]
    pub run_dir: PathBuf,
    /// Where what outlives a restart is kept
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub state_dir: PathBuf,
    /// Where the VMs' sockets are made: VM web-1 draws from DIR/web-1/egd.sock [default: vm in the run dir]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_SOCKET_DIR", hide_env_values = true)]
    pub socket_dir: Option<PathBuf>,
    /// Give pods their sockets: the kubelet's directory, /var/lib/kubelet unless the distribution has another
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_KUBELET_DIR", hide_env_values = true)]
    pub kubelet_dir: Option<PathBuf>,
    /// Group that owns the sockets [default: 107, that of QEMU in pods, where --kubelet-dir is given]
    #[arg(long, value_name = "GID", env = "ENTROPOOL_SOCKET_GROUP", hide_env_values = true)]
    pub socket_group: Option<u32>,
    /// Answer the local API on a port of the loopback interface as well, as in a pod for `kubectl entropool`
    ///
    /// Whoever reaches it may do all that the owner of api.sock may: it is for a network namespace of the agent's own.
    #[arg(long, value_name = "127.0.0.1:PORT", env = "ENTROPOOL_LOCAL", hide_env_values = true, value_parser = loopback)]
    pub local: Option<SocketAddr>,
    /// Character devices that a pool may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub devices: Vec<PathBuf>,
    /// EGD servers that a pool may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub upstreams: Vec<String>,
    /// Take over from the agent that serves these directories: its sockets, connections and debts. Without one there,
    /// just start
    #[arg(long)]
    pub take_over: bool,
    /// In a pod: a file on a volume that lives and dies with the pod, such as an emptyDir; made if it is not there
    ///
    /// Its age tells which of two pods is the newer one. The newer takes over from the older at its start. The older
    /// then waits for its end, also when its container is started again.
    #[arg(long, value_name = "FILE", env = "ENTROPOOL_POD_STARTED", hide_env_values = true)]
    pub pod_started: Option<PathBuf>,
    /// Serve /metrics, /healthz and /readyz over HTTP; a port alone is one on 127.0.0.1 [default: nowhere]
    #[arg(long, value_name = "[ADDR:]PORT", env = "ENTROPOOL_METRICS", hide_env_values = true, value_parser = port)]
    pub metrics: Option<SocketAddr>,
    /// Let pools draw from regular files, which are not random: for tests
    #[arg(long)]
    pub allow_test_sources: bool,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "write a loopback address and a port: 127.0.0.1:9091".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("{} is not this machine alone: write 127.0.0.1:{}", address.ip(), address.port()))
    }
}

impl Args {
    /// Where what is kept; what is told of it must not depend on where the agent was started.
    pub(super) fn directories(&self) -> io::Result<Directories> {
        let run = absolute(&self.run_dir)?;
        let socket = self.socket_dir.as_deref().map(absolute).transpose()?;
        let (state, socket) = (absolute(&self.state_dir)?, socket.unwrap_or_else(|| run.join("vm")));
        Ok(Directories { run, state, socket })
    }

    /// Who owns the sockets.
    pub(super) fn owner(&self) -> SocketOwner {
        let pods = self.kubelet_dir.is_some().then_some(api::names::SOCKET_GROUP);
        SocketOwner { uid: None, gid: self.socket_group.or(pods) }
    }

    /// What becomes of the first process once another one has taken over.
    pub(super) fn afterwards(&self) -> OnSuccess {
        if self.pod_started.is_some() { OnSuccess::Stay } else { OnSuccess::End }
    }

    /// What pools may open.
    pub(super) fn allowed(&self) -> Permissions {
        Permissions {
            devices: self.devices.clone(),
            upstreams: self.upstreams.clone(),
            test_sources: self.allow_test_sources,
        }
    }

    /// Whom to connect to.
    pub(super) fn target(&self) -> ControllerEndpoint {
        ControllerEndpoint {
            controller: self.controller.clone(),
            node: self.node.clone(),
            token: self.token_file.clone(),
            ca: self.ca_file.clone(),
        }
    }
}
