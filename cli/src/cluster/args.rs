//! Commands and flags of `kubectl entropool`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::args::{Format, SourcesCommand, TopArgs};

/// The name of the program as a plugin of kubectl.
pub(crate) const NAME: &str = "kubectl-entropool";

/// Show what a cluster serves of its nodes' entropy, and what an edit would change
///
/// All calls use the caller's own rights. Objects come from the API server; live figures come from the nodes' agents by
/// port-forward, which needs the rights to `get` and `create` `pods/portforward` in the agents' namespace. What changes a node
/// (`detach`, `sources retest`) needs those to `get` and `create` `pods/exec` there.
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
    /// The address of the API server, instead of the context's
    #[arg(short, long, global = true, value_name = "URL", help_heading = "Global options")]
    pub(super) server: Option<String>,
    /// The bearer token to authenticate with, instead of the context's credentials
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Global options")]
    pub(super) token: Option<String>,
    /// The user to impersonate
    #[arg(long = "as", global = true, value_name = "USER", help_heading = "Global options")]
    pub(super) as_user: Option<String>,
    /// A group to impersonate; may be repeated
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        help_heading = "Global options",
        requires = "as_user"
    )]
    pub(super) as_groups: Vec<String>,
    /// The namespace of VMs and pods [default: the context's]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(super) namespace: Option<String>,
    /// List VMs of all namespaces
    #[arg(short = 'A', long, global = true, help_heading = "Global options", conflicts_with = "namespace")]
    pub(super) all_namespaces: bool,
    /// The namespace in which entropool is installed
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "entropool-system",
        help_heading = "Global options"
    )]
    pub(super) system_namespace: String,
    /// The output format; lists of objects can be wide, with messages, or names alone
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Global options"
    )]
    pub(super) output: ClusterFormat,
    /// After a list, print what changes in it, until interrupted
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ClusterFormat {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

impl ClusterFormat {
    /// For what is no list of objects.
    pub(super) fn plain(self) -> Format {
        match self {
            Self::Table | Self::Name => Format::Table,
            Self::Wide => Format::Wide,
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
        }
    }
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
    Detach(DetachArgs),
    Uninstall(UninstallArgs),
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

/// Detach a VM from its pool until its pod ends
///
/// Its guest reads nothing any more. Nothing attaches it again before its pod is replaced.
#[derive(Args, Clone, Debug)]
pub(super) struct DetachArgs {
    #[command(flatten)]
    pub(super) vm: VmName,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
}

/// Prepare an uninstallation: refuse while VMs use entropool, else remove what no chart knows of
///
/// Removes the label and the slots of nodes, and the objects that controllers make: the Lease, the authority, and
/// `KubeVirt`'s Plugin. The controllers are stopped first. It needs no image of entropool; the chart's own objects are
/// deleted afterwards, by what applied them.
#[derive(Args, Clone, Debug)]
pub(super) struct UninstallArgs {
    /// Only say whether VMs still use entropool; the exit code is 1 if so
    #[arg(long, conflicts_with_all = ["force", "yes"])]
    pub(super) check: bool,
    /// Go on while VMs use entropool, and leave agents on the nodes that serve these until they end
    #[arg(long)]
    pub(super) force: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct VmName {
    /// The VM, or a pod with a socket of its own
    pub(super) vm: String,
}
