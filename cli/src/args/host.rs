//! Flags of the verbs that need no daemon.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print the custom resource definitions
#[derive(Args, Clone, Debug)]
pub(crate) struct CrdsArgs {
    /// Write one file a kind into DIR instead of printing them
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Print a shell's completion script
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: Shell,
}
