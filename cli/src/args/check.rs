//! Flags of `check`.

use std::path::PathBuf;

use clap::Args;

/// Go through everything that can be wrong on this host
///
/// Says what is right as well, and for what is not, what to do. The exit code is 1 if anything is wrong; a
/// warning is something that serves now and may not for ever.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Look at these manifests too, as the daemon would: files, or directories of them
    #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// Where the daemon keeps what it has accepted
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_STATE_DIR",
        hide_env_values = true,
        default_value = "/var/lib/entropool"
    )]
    pub(crate) state_dir: PathBuf,
}
