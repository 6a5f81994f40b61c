//! Flags, each with its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Turn `EntropyPool` and `EntropyClass` objects into what each node serves
///
/// It watches the API server, plans every node's configuration and streams it to the agents. Every replica
/// serves agents; the one that holds the Lease writes status. It needs no configuration of its own.
///
/// The log goes to standard error; `ENTROPOOL_LOG` filters it (warn, info, debug) and
/// `ENTROPOOL_LOG_FORMAT=json` writes it for programs.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-controller", version, max_term_width = 100)]
pub struct Args {
    /// Something to do once, instead of running
    #[command(subcommand)]
    pub errand: Option<Mode>,
    /// A kubeconfig to use instead of the pod's own account
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the Lease, of the certificate authority and of the agents
    #[arg(
        long,
        value_name = "NS",
        env = "ENTROPOOL_NAMESPACE",
        hide_env_values = true,
        default_value = "entropool-system",
        global = true
    )]
    pub namespace: String,
    /// This replica's name in the Lease [default: the host's name]
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true)]
    pub name: Option<String>,
    /// Where agents connect
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_LISTEN",
        hide_env_values = true,
        default_value = "[::]:8443"
    )]
    pub listen: SocketAddr,
    /// Where the API server asks about VMs
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_WEBHOOKS",
        hide_env_values = true,
        default_value = "[::]:9443"
    )]
    pub webhooks: SocketAddr,
    /// The agent's image, which a VM's hook sidecar has where `KubeVirt` is older than 1.9
    #[arg(long, value_name = "IMAGE", env = "ENTROPOOL_HOOK_IMAGE", hide_env_values = true)]
    pub hook_image: Option<String>,
    /// Where health and metrics are served
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_HTTP",
        hide_env_values = true,
        default_value = "[::]:8080"
    )]
    pub http: SocketAddr,
    /// The service account that agents run as
    #[arg(
        long,
        value_name = "NAME",
        env = "ENTROPOOL_AGENT_ACCOUNT",
        hide_env_values = true,
        default_value = "entropool-agent"
    )]
    pub agent_account: String,
    /// A DNS name or address that agents call this controller by; may be given often
    #[arg(
        long = "tls-name",
        value_name = "NAME",
        env = "ENTROPOOL_TLS_NAMES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub tls_names: Vec<String>,
    /// A directory with tls.crt, tls.key and ca.crt, as cert-manager mounts it, instead of an authority of our own
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_TLS_DIR", hide_env_values = true)]
    pub tls_dir: Option<PathBuf>,
}

/// Something to do once.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Mode {
    /// Take the label entropool.io/agent and the places of classes off every node, before an uninstallation
    ///
    /// The replicas that run write nothing for a minute after it.
    CleanNodes,
}
