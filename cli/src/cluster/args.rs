//! Commands and flags of `kubectl entropool`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::args::{Format, SourcesCommand, TopArgs};

/// Show what a cluster serves of its nodes' entropy, and what an edit would change
///
/// All calls use the caller's own rights. Objects come from the API server; live figures come from the nodes' agents by
/// port-forward, which needs the right to `create` `pods/portforward` in the agents' namespace.
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
    pub(super) command: ClusterCommand,
}

#[derive(Args, Debug)]
pub(super) struct ClusterGlobal {
    /// The kubeconfig to use [default: that of kubectl]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(super) context: Option<String>,
    /// The namespace of the VM [default: that of kubectl]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(super) namespace: Option<String>,
    /// The namespace in which entropool is installed
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "entropool-system",
        help_heading = "Global options"
    )]
    pub(super) system_namespace: String,
    /// The output format: columns for people, or JSON for programs
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

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// List the pools, and why some are not ready
    Pools,
    /// List the classes, and why some are not ready
    Classes {
        /// Only the classes of this pool
        #[arg(long)]
        pool: Option<String>,
    },
    /// List the nodes that have an agent, and their slots per class
    Nodes,
    /// List the attached VMs, on all nodes or some
    Vms(AgentSelection),
    /// List the VMs that wait for bytes, and what they wait for
    Waiting(AgentSelection),
    /// List the sources of the pools, or retest a source
    Sources {
        #[command(flatten)]
        selection: AgentSelection,
        #[command(subcommand)]
        command: Option<SourcesCommand>,
    },
    /// Watch the rates on a node
    Top {
        /// The node
        #[arg(long)]
        node: String,
        #[command(flatten)]
        top: TopArgs,
    },
    /// Explain what a VM is served, and what it waits for
    Explain(VmName),
    /// Move a VM to another class of its pool
    Move {
        #[command(flatten)]
        vm: VmName,
        /// The new class
        class: String,
    },
    /// Detach a VM from its pool until its pod ends
    Detach(VmName),
    /// Show what applying manifests would change, without changing anything
    ///
    /// Prints which pools and classes would gain or lose, on how many nodes, and what would be refused. The exit code
    /// is 1 if anything would be refused.
    Plan {
        /// The manifests to compare; objects that are not in them stay as they are
        #[arg(short, long = "file", value_name = "FILE|DIR", num_args = 1.., required = true)]
        files: Vec<PathBuf>,
    },
    /// Check everything that can be wrong with a cluster
    ///
    /// The exit code is 1 if a check finds an error. A warning is something that may fail later.
    Check(AgentSelection),
}

#[derive(Args, Clone, Debug)]
pub(super) struct AgentSelection {
    /// Only this node; may be repeated
    #[arg(long = "node", value_name = "NAME")]
    pub(super) nodes: Vec<String>,
    /// Only this pool
    #[arg(long)]
    pub(super) pool: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(super) struct VmName {
    /// The VM, or a pod with a socket of its own
    pub(super) vm: String,
}
