//! Flags of the verbs about libvirt's domains.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::member::PoolClass;

/// Connect libvirt's domains to pools
///
/// A domain keeps its choice in its metadata. libvirt's hook, deploy/libvirt, gives it its socket when it starts and
/// takes it away when it has ended.
#[derive(Args, Clone, Debug)]
pub(crate) struct LibvirtArgs {
    #[command(subcommand)]
    pub(crate) verb: LibvirtVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LibvirtVerb {
    Set(SetArgs),
    Unset(UnsetArgs),
    Translate(TranslateArgs),
    #[command(hide = true)]
    Hook(HookArgs),
}

/// Have a domain draw from a pool, from its next start on
#[derive(Args, Clone, Debug)]
pub(crate) struct SetArgs {
    /// The domain
    pub(crate) domain: String,
    /// The pool and the class; without a class, the pool's default class
    #[arg(value_name = "POOL[/CLASS]")]
    pub(crate) place: PoolClass,
    #[command(flatten)]
    pub(crate) host: LibvirtHost,
}

/// Give a domain back to the host's generator, from its next start on
#[derive(Args, Clone, Debug)]
pub(crate) struct UnsetArgs {
    /// The domain
    pub(crate) domain: String,
    /// libvirt's own name of the host
    #[arg(long, value_name = "URI", env = "LIBVIRT_DEFAULT_URI", hide_env_values = true)]
    pub(crate) connect: Option<String>,
}

/// Rewrite a domain whose <rng> is spelled as pools were once proposed
///
/// The text goes to standard output; today's spelling stays as it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct TranslateArgs {
    /// The domain's XML; - is standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

/// Do what libvirt's hook for QEMU is called for; the domain's XML is standard input
#[derive(Args, Clone, Debug)]
pub(crate) struct HookArgs {
    pub(crate) domain: String,
    pub(crate) operation: String,
    pub(crate) sub_operation: String,
    pub(crate) extra: Option<String>,
    /// The namespace that a host's domains belong to
    #[arg(long, env = "ENTROPOOL_NAMESPACE", hide_env_values = true, default_value = "default")]
    pub(crate) namespace: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LibvirtHost {
    /// libvirt's own name of the host
    #[arg(long, value_name = "URI", env = "LIBVIRT_DEFAULT_URI", hide_env_values = true)]
    pub(crate) connect: Option<String>,
    #[command(flatten)]
    pub(crate) sockets: Sockets,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Sockets {
    /// Where the daemon makes its VMs' sockets
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_SOCKET_DIR",
        hide_env_values = true,
        default_value = "/run/entropool/vm"
    )]
    pub(crate) socket_dir: PathBuf,
}
