//! Flags of `run`.

use std::net::SocketAddr;
use std::path::PathBuf;

use agent::metrics::port;
use agent::{Directories, HostArgs};
use clap::Args;
use dataplane::AttachRequest;
use source::Permissions;

use super::member::namespace;
use super::{Client, Member, Port};

/// Serve the pools and classes of manifests on this host
///
/// The manifests are those that `kubectl apply` takes. They are watched: a change applies at once, and one with an
/// error is reported and leaves the last accepted configuration in force.
///
/// Without -f the daemon serves one pool `default`, supplied by the kernel, with no guaranteed rate and only the implicit
/// class. SIGTERM ends it after serving pending requests for at most a second. SIGUSR2 replaces it by the program that is
/// on disk now, without closing any connection.
///
/// The log goes to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug) and
/// `ENTROPOOL_LOG_FORMAT=json` writes it for programs.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Manifests, or directories of manifests (*.yaml, *.yml, *.json)
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// The directory of api.sock
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_RUN_DIR",
        hide_env_values = true,
        default_value = "/run/entropool"
    )]
    pub(crate) run_dir: PathBuf,
    /// File mode of api.sock: who may attach, move and detach any VM; by default only the daemon's own user
    #[arg(long, value_name = "MODE", env = "ENTROPOOL_API_MODE", hide_env_values = true, default_value = "0600", value_parser = mode)]
    pub(crate) api_mode: u32,
    /// The directory of the checkpoint, which outlives restarts
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
    /// The directory of the VMs' sockets: VM web-1 has DIR/web-1/egd.sock [default: vm in the run dir]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_SOCKET_DIR", hide_env_values = true)]
    pub(crate) socket_dir: Option<PathBuf>,
    /// A VM to attach at the start
    #[arg(long = "vm", value_name = "NAME=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) vms: Vec<Member>,
    /// A port of the loopback interface that a VM draws from; its name is the address
    #[arg(long = "tcp", value_name = "ADDR=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) ports: Vec<Port>,
    /// The namespace of the VMs given by --vm and --tcp
    #[arg(
        long,
        value_name = "NS",
        env = "ENTROPOOL_NAMESPACE",
        hide_env_values = true,
        default_value = "default",
        value_parser = namespace
    )]
    pub(crate) namespace: String,
    /// Take over the sockets, connections and debts of the daemon that serves these directories, if there is one
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Character devices that a pool may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub(crate) devices: Vec<PathBuf>,
    /// EGD servers that a pool may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub(crate) upstreams: Vec<String>,
    /// Allow pools to draw from regular files, which are not random: for tests
    #[arg(long)]
    pub(crate) allow_test_sources: bool,
    /// Serve /metrics, /healthz and /readyz over HTTP; a port alone is one on 127.0.0.1 [default: nowhere]
    #[arg(long, value_name = "[ADDR:]PORT", env = "ENTROPOOL_METRICS", hide_env_values = true, value_parser = port)]
    pub(crate) metrics: Option<SocketAddr>,
}

impl RunArgs {
    pub(crate) fn host_args(&self) -> HostArgs {
        let vm = |member: &Member| {
            let client = match member.client {
                Client::Qemu => dataplane::Client::Qemu,
                Client::Egd => dataplane::Client::Egd,
            };
            let Member { id, pool, class, .. } = member.clone();
            AttachRequest { id, namespace: self.namespace.clone(), pool, class, client }
        };
        HostArgs {
            files: self.files.clone(),
            directories: Directories {
                run: self.run_dir.clone(),
                state: self.state_dir.clone(),
                socket: self.socket_dir.clone().unwrap_or_else(|| self.run_dir.join("vm")),
            },
            api_mode: self.api_mode,
            vms: self.vms.iter().map(vm).collect(),
            ports: self.ports.iter().map(|port| (port.address, vm(&port.member))).collect(),
            namespace: self.namespace.clone(),
            take_over: self.take_over,
            permissions: Permissions {
                devices: self.devices.clone(),
                upstreams: self.upstreams.clone(),
                test_sources: self.allow_test_sources,
            },
            metrics: self.metrics,
        }
    }
}

/// A file mode in octal digits that grants the owner access, and no one more than reading and writing.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0 && mode & 0o600 == 0o600);
    mode.ok_or_else(|| "write a mode in octal digits: 0600 for the owner, 0660 for the group too".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_and_lets_the_owner_in() {
        assert_eq!(["0600", "660", "0666"].map(mode), [Ok(0o600), Ok(0o660), Ok(0o666)]);
        for wrong in ["", "rw", "0060", "0700", "1600", "-1", "0x1"] {
            assert!(mode(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_port_alone_is_one_that_only_this_host_reaches() {
        assert_eq!(port("9090"), Ok(SocketAddr::from(([127, 0, 0, 1], 9090))));
        assert_eq!(port("0.0.0.0:80"), Ok(SocketAddr::from(([0, 0, 0, 0], 80))));
        assert_eq!(port("[::1]:80").map(|address| address.is_ipv6()), Ok(true));
        for wrong in ["", "localhost:9090", "65536", ":9090", "127.0.0.1"] {
            assert!(port(wrong).is_err_and(|sentence| sentence.starts_with("write a port")), "{wrong}");
        }
    }
}
