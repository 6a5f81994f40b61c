//! Flags of the commands for this host: `plan`, `check`, `crds` and `completion`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::vm::namespace;

/// Show what other manifests would change, without changing anything
///
/// Compares them with what the host's daemon has accepted, and prints which pools and classes would gain or lose, and
/// what would be refused. No daemon needs to run; --from compares with manifests instead. The exit code is 1 if
/// anything would be refused.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// The new manifests: files, or directories of them (*.yaml, *.yml, *.json)
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The current manifests, instead of what the daemon has accepted
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// The state directory of the daemon
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
    /// A namespace that VMs are in, for selectors; may be repeated
    #[arg(long = "namespace", value_name = "NS", default_value = "default", value_parser = namespace)]
    pub(crate) namespaces: Vec<String>,
}

/// Check everything that can be wrong on this host
///
/// Prints one line per check, and for a problem what to do. The exit code is 1 if a check finds an error. A warning is
/// something that may fail later.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Check these manifests too, as the daemon would: files, or directories of them
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// The state directory of the daemon
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
}

/// Print the custom resource definitions
#[derive(Args, Clone, Debug)]
pub(crate) struct CrdsArgs {
    /// Write one file per kind to DIR instead of printing them
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Print the completion script of a shell
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: Shell,
}
