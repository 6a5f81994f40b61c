//! Flags of the commands for libvirt's domains.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::vm::PoolClass;

/// Connect libvirt's domains to pools
///
/// The pool and class of a domain are kept in its metadata. libvirt's hook, deploy/libvirt, attaches the domain when it
/// starts and detaches it after it has ended.
#[derive(Args, Clone, Debug)]
pub(crate) struct LibvirtArgs {
    #[command(subcommand)]
    pub(crate) command: LibvirtCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LibvirtCommand {
    Set(SetArgs),
    Unset(UnsetArgs),
    Translate(TranslateArgs),
    #[command(hide = true)]
    Hook(HookArgs),
}

/// Connect a domain to a pool, from its next start on
#[derive(Args, Clone, Debug)]
pub(crate) struct SetArgs {
    /// The domain
    pub(crate) domain: String,
    /// The pool and the class; the default is the pool's default class
    #[arg(value_name = "POOL[/CLASS]")]
    pub(crate) pool_class: PoolClass,
    #[command(flatten)]
    pub(crate) host: LibvirtHost,
}

/// Return a domain to the host's generator, from its next start on
#[derive(Args, Clone, Debug)]
pub(crate) struct UnsetArgs {
    /// The domain
    pub(crate) domain: String,
    /// The URI of libvirt, as virsh takes it
    #[arg(long, value_name = "URI", env = "LIBVIRT_DEFAULT_URI", hide_env_values = true)]
    pub(crate) connect: Option<String>,
}

/// Rewrite a domain whose <rng> has a form that was once proposed for pools
///
/// Prints the rewritten XML. An <rng> that libvirt accepts is left unchanged.
#[derive(Args, Clone, Debug)]
pub(crate) struct TranslateArgs {
    /// The file with the domain's XML; - is standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) sockets: SocketArgs,
}

/// Handle a call of libvirt's hook for QEMU; the domain's XML is standard input
#[derive(Args, Clone, Debug)]
pub(crate) struct HookArgs {
    pub(crate) domain: String,
    pub(crate) operation: String,
    pub(crate) sub_operation: String,
    pub(crate) extra: Option<String>,
    /// The namespace of the host's domains
    #[arg(long, env = "ENTROPOOL_NAMESPACE", hide_env_values = true, default_value = "default")]
    pub(crate) namespace: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LibvirtHost {
    /// The URI of libvirt, as virsh takes it
    #[arg(long, value_name = "URI", env = "LIBVIRT_DEFAULT_URI", hide_env_values = true)]
    pub(crate) connect: Option<String>,
    #[command(flatten)]
    pub(crate) sockets: SocketArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SocketArgs {
    /// The directory of the VMs' sockets
    #[arg(
        long,
        value_name = "DIR",
        env = "ENTROPOOL_SOCKET_DIR",
        hide_env_values = true,
        default_value = "/run/entropool/vm"
    )]
    pub(crate) socket_dir: PathBuf,
}
