//! Flags of `run`.

use std::io;
use std::net::SocketAddr;
use std::path::{PathBuf, absolute};

use agent::Directories;
use agent::metrics::port;
use clap::Args;
use source::Permissions;

use super::vm::namespace;
use super::{Member, Port};

/// Serve the pools and classes of manifests on this host
///
/// The manifests are the very ones that `kubectl apply` takes, and their changes are followed.
///
/// Without -f it serves one pool `default`, fed by the kernel, with nothing assured and no class but the
/// implicit one. A changed manifest applies at once; one with a mistake is reported, and what was accepted
/// last goes on. SIGTERM serves what may still go, for at most a second, and ends. SIGUSR2 goes over to the program
/// as it is on disk by then, and no connection is lost.
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
    /// Who may open api.sock, and so attach, move and cut off any VM: by default only the daemon's own user
    #[arg(long, value_name = "MODE", env = "ENTROPOOL_API_MODE", hide_env_values = true, default_value = "0600", value_parser = mode)]
    pub(crate) api_mode: u32,
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
    /// Take over from the daemon that serves these directories: its sockets, connections and debts. Without one there,
    /// just start
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Character devices that a pool may draw from, instead of /dev/hwrng
    #[arg(long = "allow-device", value_name = "PATH", num_args = 1.., default_value = "/dev/hwrng")]
    pub(crate) devices: Vec<PathBuf>,
    /// EGD servers that a pool may draw from
    #[arg(long = "allow-upstream", value_name = "HOST:PORT|PATH", num_args = 1..)]
    pub(crate) upstreams: Vec<String>,
    /// Let pools draw from regular files, which are not random: for tests
    #[arg(long)]
    pub(crate) allow_test_sources: bool,
    /// Serve /metrics, /healthz and /readyz over HTTP; a port alone is one on 127.0.0.1 [default: nowhere]
    #[arg(long, value_name = "[ADDR:]PORT", env = "ENTROPOOL_METRICS", hide_env_values = true, value_parser = port)]
    pub(crate) metrics: Option<SocketAddr>,
}

impl RunArgs {
    /// What pools may open.
    pub(crate) fn allowed(&self) -> Permissions {
        Permissions {
            devices: self.devices.clone(),
            upstreams: self.upstreams.clone(),
            test_sources: self.allow_test_sources,
        }
    }

    /// Where what is kept.
    pub(crate) fn directories(&self) -> Directories {
        let (run, state) = (self.run_dir.clone(), self.state_dir.clone());
        Directories { run, state, socket: self.socket_dir() }
    }

    /// Where the VMs' sockets go.
    pub(crate) fn socket_dir(&self) -> PathBuf {
        self.socket_dir.clone().unwrap_or_else(|| self.run_dir.join("vm"))
    }
    /// The same with directories that mean the same to everybody who is told of them.
    pub(crate) fn absolute(&self) -> io::Result<Self> {
        Ok(Self {
            run_dir: absolute(&self.run_dir)?,
            state_dir: absolute(&self.state_dir)?,
            socket_dir: self.socket_dir.as_deref().map(absolute).transpose()?,
            ..self.clone()
        })
    }
}

/// A file mode in octal digits that lets the owner in and grants nothing but reading and writing.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0 && mode & 0o600 == 0o600);
    mode.ok_or_else(|| {
        "a mode is written in octal digits: 0600 for the owner, 0660 for the group too".to_owned()
    })
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
