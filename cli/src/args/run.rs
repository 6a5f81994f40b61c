//! Flags of `run`.

use std::net::SocketAddr;
use std::path::PathBuf;

use agent::metrics::port;
use agent::{Directories, HostArgs};
use clap::Args;
use dataplane::AttachRequest;
use source::Permissions;

use super::vm::namespace;
use super::{ClientKind, TcpVmSpec, VmSpec};

/// Serve the pools and classes of manifests on this host
///
/// The manifests are those that `kubectl apply` takes. They are watched: a change is applied at once; a mistake is
/// reported, and the last accepted configuration stays in effect.
///
/// Without -f there is one pool `default`, which draws from the kernel, with nothing assured and only the implicit
/// class. SIGTERM drains for at most a second and ends the daemon. SIGUSR2 hands over to the program that is on disk by
/// then, and no connection is lost. SIGHUP reads the manifests again.
///
/// The log is written to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug), and
/// `ENTROPOOL_LOG_FORMAT=json` has it written as JSON.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Manifests, or directories of manifests (*.yaml, *.yml, *.json); - is standard input, which is read once
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
    /// The mode of api.sock, whose users can attach, move and detach any VM; by default only the daemon's own user
    #[arg(long, value_name = "MODE", env = "ENTROPOOL_API_MODE", hide_env_values = true, default_value = "0600", value_parser = mode)]
    pub(crate) api_mode: u32,
    /// The directory of the state that survives a restart
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
    /// The directory of the VMs' sockets: VM web-1 draws from DIR/web-1/egd.sock [default: vm in the run dir]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_SOCKET_DIR", hide_env_values = true)]
    pub(crate) socket_dir: Option<PathBuf>,
    /// A VM to attach at the start
    #[arg(long = "vm", value_name = "NAME=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) vms: Vec<VmSpec>,
    /// A port of the loopback interface that a VM draws from; the VM's name is the address
    #[arg(long = "tcp", value_name = "ADDR=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) ports: Vec<TcpVmSpec>,
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
    /// Character devices that pools may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub(crate) devices: Vec<PathBuf>,
    /// EGD servers that pools may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub(crate) upstreams: Vec<String>,
    /// Let pools draw from regular files, which are not random; for tests
    #[arg(long)]
    pub(crate) allow_test_sources: bool,
    /// Serve /metrics, /healthz and /readyz over HTTP; a port alone is on 127.0.0.1 [default: not served]
    #[arg(long, value_name = "[ADDR:]PORT", env = "ENTROPOOL_METRICS", hide_env_values = true, value_parser = port)]
    pub(crate) metrics: Option<SocketAddr>,
}

impl RunArgs {
    pub(crate) fn host_args(&self) -> HostArgs {
        let vm = |spec: &VmSpec| {
            let client = match spec.client {
                ClientKind::Detect => dataplane::Client::Detect,
                ClientKind::Qemu => dataplane::Client::Qemu,
                ClientKind::Egd => dataplane::Client::Egd,
            };
            let VmSpec { name: id, pool, class, .. } = spec.clone();
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
            ports: self.ports.iter().map(|spec| (spec.address, vm(&spec.vm))).collect(),
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

/// A file mode in octal digits with read and write permissions only, at least for the owner.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0 && mode & 0o600 == 0o600);
    mode.ok_or_else(|| "write a mode in octal digits: 0600 for the owner, 0660 for the group too".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_octal_and_lets_the_owner_in() {
        assert_eq!(["0600", "660", "0666"].map(mode), [Ok(0o600), Ok(0o660), Ok(0o666)]);
        for wrong in ["", "rw", "0060", "0700", "1600", "-1", "0x1"] {
            assert!(mode(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn port_alone_is_on_the_loopback_interface() {
        assert_eq!(port("9090"), Ok(SocketAddr::from(([127, 0, 0, 1], 9090))));
        assert_eq!(port("0.0.0.0:80"), Ok(SocketAddr::from(([0, 0, 0, 0], 80))));
        assert_eq!(port("[::1]:80").map(|address| address.is_ipv6()), Ok(true));
        for wrong in ["", "localhost:9090", "65536", ":9090", "127.0.0.1"] {
            assert!(port(wrong).is_err_and(|sentence| sentence.starts_with("write a port")), "{wrong}");
        }
    }
}
