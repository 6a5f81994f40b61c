//! Verbs and flags of `kubectl entropool`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::args::{Format, SourcesVerb, TopArgs};

/// Say what a cluster serves of its nodes' randomness, and what an edit would change
///
/// Everything happens with the caller's own rights. Objects come from the API server; live figures come from the nodes'
/// agents by port-forward, for which one needs to `create` `pods/portforward` in the agents' namespace.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-entropool",
    bin_name = "kubectl entropool",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    pub(super) global: ClusterGlobal,
    #[command(subcommand)]
    pub(super) verb: ClusterVerb,
}

/// What every verb understands.
#[derive(Args, Debug)]
pub(super) struct ClusterGlobal {
    /// The kubeconfig to use [default: as kubectl does]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(super) context: Option<String>,
    /// The namespace of the VM [default: as kubectl does]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(super) namespace: Option<String>,
    /// The namespace in which entropool itself is installed
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "entropool-system",
        help_heading = "Global options"
    )]
    pub(super) system_namespace: String,
    /// How to print: columns for a person, or a document for a program
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Global options"
    )]
    pub(super) output: Format,
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
    /// List the nodes that have an agent, and the places that they offer
    Nodes,
    /// List the VMs that draw, on all nodes or some
    Vms(Locator),
    /// List the VMs that wait for bytes, and what for
    Waiting(Locator),
    /// List what the pools draw from, or have a source tested anew
    Sources {
        #[command(flatten)]
        place: Locator,
        #[command(subcommand)]
        verb: Option<SourcesVerb>,
    },
    /// Watch a node's tree at work
    Top {
        /// The node
        #[arg(long)]
        node: String,
        #[command(flatten)]
        top: TopArgs,
    },
    /// Say why a VM gets what it gets
    Explain(ObjectName),
    /// Move a VM to another class of its pool, at once and with what it owes
    Move {
        #[command(flatten)]
        vm: ObjectName,
        /// The class
        class: String,
    },
    /// Cut a VM off from its pool, until its pod ends
    Detach(ObjectName),
    /// Say what applying manifests would change, without changing anything
    ///
    /// Who gains, who loses, on how many nodes, and what would be refused. The exit code is 1 if anything would be.
    Plan {
        /// The manifests that would be applied; what is not in them stays as it is
        #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., required = true)]
        files: Vec<PathBuf>,
    },
    /// Look at everything that can be wrong
    ///
    /// The exit code is 1 if anything is.
    Check(Locator),
}

/// Which nodes are asked.
#[derive(Args, Clone, Debug)]
pub(super) struct Locator {
    /// Only this node, and perhaps more
    #[arg(long = "node", value_name = "NAME")]
    pub(super) nodes: Vec<String>,
    /// Only what is of this pool
    #[arg(long)]
    pub(super) pool: Option<String>,
}

/// A VM, or a pod with a socket of its own.
#[derive(Args, Clone, Debug)]
pub(super) struct ObjectName {
    /// The VM, or the pod if there is none
    pub(super) vm: String,
}
