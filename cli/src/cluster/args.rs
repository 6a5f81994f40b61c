//! Verbs and flags of `kubectl entropool`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::args::Format;

/// Say what a cluster serves of its nodes' randomness, and what an edit would change
#[derive(Debug, Parser)]
#[command(name = "kubectl-entropool", bin_name = "kubectl entropool", version, max_term_width = 100)]
pub(super) struct ClusterArgs {
    /// The kubeconfig to use [default: as kubectl does]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// How to print: columns for a person, or a document for a program
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Format,
    #[command(subcommand)]
    pub(super) verb: ClusterVerb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum ClusterVerb {
    /// List the pools, and what is wrong with them
    Pools,
    /// List the classes, and what is wrong with them
    Classes {
        /// Only the classes of this pool
        #[arg(long)]
        pool: Option<String>,
    },
    /// Say what applying manifests would change, without changing anything
    ///
    /// Who gains, who loses, on how many nodes, and what would be refused. The exit code is 1 if anything would be.
    Plan {
        /// The manifests that would be applied; what is not in them stays as it is
        #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., required = true)]
        files: Vec<PathBuf>,
    },
}
