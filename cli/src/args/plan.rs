//! Flags of `plan`.

use std::path::PathBuf;

use clap::Args;

use super::member::namespace;

/// Say what other manifests would change, without changing anything
///
/// Compares them with what the host's daemon has accepted: who gains, who loses, and what would be refused. It
/// asks no daemon, and needs none: --from compares with manifests instead. The exit code is 1 if anything would
/// be refused.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// The manifests as they would be: files, or directories of them (*.yaml, *.yml, *.json)
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The manifests as they are, instead of what the daemon has accepted
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// Where the daemon keeps what it has accepted
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
    /// A namespace that VMs are in, for selectors; may be given often
    #[arg(long = "namespace", value_name = "NS", default_value = "default", value_parser = namespace)]
    pub(crate) namespaces: Vec<String>,
}
