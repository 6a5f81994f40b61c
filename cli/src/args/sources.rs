//! Flags of `sources`.

use clap::{Args, Subcommand};

/// List what the pools draw from, and how it stands
///
/// A source is healthy, in its start-up test (starting, or suspect after an alarm), unavailable and tried again, or
/// failed: off until it is tested anew, or until the daemon is allowed to open it.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourcesArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<SourcesVerb>,
}

/// What to do with a source instead of listing all.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum SourcesVerb {
    /// Test a source anew, also one that failed for good
    Retest {
        /// The source: in every pool that has one of this name, or in one pool
        #[arg(value_name = "NAME|POOL/NAME")]
        name: String,
    },
}
