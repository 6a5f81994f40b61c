//! Flags of the commands for this host: `plan`, `check`, `crds` and `completion`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::DefaultPaths;
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
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// A namespace that VMs are in, for selectors; may be repeated
    #[arg(long = "namespace", value_name = "NS", default_value = "default", value_parser = namespace)]
    pub(crate) namespaces: Vec<String>,
}

/// Print the configuration in effect, as manifests
///
/// It is what the daemon has accepted, with all defaults. With --diff, prints how the daemon's files differ from it, and the
/// exit code is 1 if they do.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArgs {
    /// Compare with the files that the daemon reads
    #[arg(long)]
    pub(crate) diff: bool,
    /// Compare with these files instead
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., requires = "diff")]
    pub(crate) files: Vec<PathBuf>,
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
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// Print the custom resource definitions
#[derive(Args, Clone, Debug)]
pub(crate) struct CrdsArgs {
    /// Write one file per kind to DIR instead of printing them
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Print the completion script of a shell
///
/// The script has the shell ask this program at each completion, so that VMs, pools, classes and domains are those of the
/// moment. For bash, for example: `source <(entropool completion bash)`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Where a daemon keeps what survives it.
#[derive(Args, Clone, Debug)]
pub(crate) struct StateArgs {
    /// The state directory of the daemon [default: /var/lib/entropool; without root, entropool in $XDG_STATE_HOME]
    #[arg(long, value_name = "DIR", env = "ENTROPOOL_STATE_DIR", hide_env_values = true)]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    pub(crate) fn dir(&self) -> &Path {
        self.state_dir.as_deref().unwrap_or(&DefaultPaths::here().state)
    }
}

/// Write the manual pages of all commands and of the manifests, as they are installed
#[derive(Args, Clone, Debug)]
#[command(hide = true)]
pub(crate) struct ManArgs {
    /// The directory to write to: it gets one file per page
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
