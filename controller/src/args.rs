//! Flags, each with its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::Value;

/// Compute each node's configuration from `EntropyPool` and `EntropyClass` objects
///
/// The controller watches the API server, plans every node's configuration and streams it to the agents. Every
/// replica serves agents; the one that holds the Lease writes status. It needs no configuration file.
///
/// The log is written to standard error; `ENTROPOOL_LOG` sets its level (warn, info, debug), and
/// `ENTROPOOL_LOG_FORMAT=json` its format.
#[derive(Clone, Debug, Parser)]
#[command(name = "entropool-controller", version, max_term_width = 100)]
pub struct ControllerArgs {
    /// A command to execute once, instead of running the controller
    #[command(subcommand)]
    pub command: Option<OneOff>,
    /// The kubeconfig to use instead of the pod's service account
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the Lease, the certificate authority and the agents
    #[arg(
        long,
        value_name = "NS",
        env = "ENTROPOOL_NAMESPACE",
        hide_env_values = true,
        default_value = "entropool-system",
        global = true
    )]
    pub namespace: String,
    /// The identity of this replica in the Lease [default: the host's name]
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true)]
    pub name: Option<String>,
    /// The address on which agents are served
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_LISTEN",
        hide_env_values = true,
        default_value = "[::]:8443"
    )]
    pub listen: SocketAddr,
    /// The address on which the admission webhooks are served
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_WEBHOOKS",
        hide_env_values = true,
        default_value = "[::]:9443"
    )]
    pub webhooks: SocketAddr,
    /// The agent's image, for hook sidecars where `KubeVirt` is older than 1.9
    #[arg(long, value_name = "IMAGE", env = "ENTROPOOL_HOOK_IMAGE", hide_env_values = true)]
    pub hook_image: Option<String>,
    /// The requests and limits of hook sidecars, in JSON: {"requests":{"cpu":"10m"},"limits":{"memory":"64Mi"}}
    #[arg(
        long,
        value_name = "JSON",
        env = "ENTROPOOL_HOOK_RESOURCES",
        hide_env_values = true,
        hide_default_value = true,
        default_value = "{}",
        value_parser = resources
    )]
    pub hook_resources: Value,
    /// The address on which health and metrics are served
    #[arg(
        long,
        value_name = "ADDR",
        env = "ENTROPOOL_HTTP",
        hide_env_values = true,
        default_value = "[::]:8080"
    )]
    pub http: SocketAddr,
    /// A further address on which health alone is served, which neither scrapes nor unfinished requests can delay
    #[arg(long, value_name = "ADDR", env = "ENTROPOOL_HEALTH", hide_env_values = true)]
    pub health: Option<SocketAddr>,
    /// The service account of the agents
    #[arg(
        long,
        value_name = "NAME",
        env = "ENTROPOOL_AGENT_ACCOUNT",
        hide_env_values = true,
        default_value = "entropool-agent"
    )]
    pub agent_account: String,
    /// A DNS name or IP address by which agents reach this controller; may be repeated
    #[arg(
        long = "tls-name",
        value_name = "NAME",
        env = "ENTROPOOL_TLS_NAMES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub tls_names: Vec<String>,
    /// A directory with tls.crt, tls.key and ca.crt, as cert-manager mounts it, to use instead of the built-in authority
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_TLS_DIR", hide_env_values = true)]
    pub tls_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum OneOff {
    /// Remove the label entropool.io/agent and the slots of classes from every node, before an uninstallation
    ///
    /// Running replicas write nothing for a minute afterwards.
    CleanNodes,
    /// Check that the controller's Service answers admission requests, as the API server sends them
    ///
    /// It needs no rights, and no access to the API server.
    CheckService {
        /// The Service's DNS name or address
        #[arg(long, value_name = "HOST")]
        host: String,
        /// The Service's port for webhooks
        #[arg(long, value_name = "PORT", default_value = "443")]
        port: u16,
        /// CA certificates that the controller's certificate is verified with
        #[arg(long, value_name = "FILE")]
        ca_file: PathBuf,
    },
}

/// An object of Kubernetes' `ResourceRequirements`.
fn resources(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let parts = value.as_object().ok_or("it is no object: write {\"requests\":{…},\"limits\":{…}}")?;
    match parts.iter().find(|(part, of)| !matches!(part.as_str(), "requests" | "limits") || !of.is_object()) {
        Some((part, _)) => Err(format!("{part:?} is neither an object of requests nor one of limits")),
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_requests_and_limits() {
        assert!(resources(r#"{"requests":{"cpu":"10m"},"limits":{}}"#).is_ok());
        for wrong in ["", "[]", r#"{"request":{}}"#, r#"{"limits":"64Mi"}"#] {
            assert!(resources(wrong).is_err(), "{wrong}");
        }
    }
}
