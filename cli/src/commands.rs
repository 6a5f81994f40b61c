//! The verbs that ask a daemon.

use std::future::Future;
use std::path::absolute;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::{
    AttachArgs, ClassesArgs, Format, Global, QemuArgs, SourcesArgs, SourcesVerb, VmsArgs, WaitingArgs,
};
use crate::client::{DaemonClient, VmFilter};
use crate::stream::TCP;
use crate::view::{Class, Pool, Source, Vm};
use crate::{output, qemu_args, render};

/// Runs `verb` on this thread until it has its answer.
pub(crate) fn block_on<T>(verb: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(verb)
}

/// Prints where the VM's socket is.
pub(crate) async fn attach(global: &Global, args: &AttachArgs) -> Result<()> {
    let mut daemon = DaemonClient::connect(&global.api).await?;
    let socket = daemon.attach(&args.member, &args.namespace).await?;
    match global.output {
        Format::Table => output::line(&socket),
        Format::Json => output::json(&Attached { name: &args.member.id, socket: &socket }),
    }
}

/// Says nothing: it is done.
pub(crate) async fn detach(global: &Global, vm: &str) -> Result<()> {
    Ok(DaemonClient::connect(&global.api).await?.detach(vm).await?)
}

/// Says nothing: it is done.
pub(crate) async fn move_vm(global: &Global, vm: &str, class: &str) -> Result<()> {
    Ok(DaemonClient::connect(&global.api).await?.move_vm(vm, class).await?)
}

/// Prints the pools.
pub(crate) async fn pools(global: &Global) -> Result<()> {
    let pools = DaemonClient::connect(&global.api).await?.pools().await?;
    match global.output {
        Format::Table => output::text(&render::pools(&pools)),
        Format::Json => output::json(&Pools { pools }),
    }
}

/// Prints the classes.
pub(crate) async fn classes(global: &Global, args: &ClassesArgs) -> Result<()> {
    let classes = DaemonClient::connect(&global.api).await?.classes(args.pool.clone()).await?;
    match global.output {
        Format::Table => output::text(&render::classes(&classes)),
        Format::Json => output::json(&Classes { classes }),
    }
}

/// Prints the VMs.
pub(crate) async fn vms(global: &Global, args: &VmsArgs) -> Result<()> {
    let filter = VmFilter { pool: args.pool.clone(), class: args.class.clone(), waiting: false };
    let vms = DaemonClient::connect(&global.api).await?.vms(filter).await?;
    match global.output {
        Format::Table => output::text(&render::vms(&vms)),
        Format::Json => output::json(&Vms { vms }),
    }
}

/// Prints the VMs that wait.
pub(crate) async fn waiting(global: &Global, args: &WaitingArgs) -> Result<()> {
    let filter = VmFilter { pool: args.pool.clone(), class: args.class.clone(), waiting: true };
    let vms = DaemonClient::connect(&global.api).await?.vms(filter).await?;
    match global.output {
        Format::Table => output::text(&render::waiting(&vms)),
        Format::Json => output::json(&Vms { vms }),
    }
}

/// Prints the sources, or has some tested anew.
pub(crate) async fn sources(global: &Global, args: &SourcesArgs) -> Result<()> {
    let mut daemon = DaemonClient::connect(&global.api).await?;
    if let Some(SourcesVerb::Retest { name }) = &args.verb {
        return Ok(daemon.retest(name).await?);
    }
    let sources = daemon.sources().await?;
    match global.output {
        Format::Table => output::text(&render::sources(&sources)),
        Format::Json => output::json(&Sources { sources }),
    }
}

/// Prints why a VM gets what it gets.
pub(crate) async fn explain(global: &Global, vm: &str) -> Result<()> {
    let explanation = DaemonClient::connect(&global.api).await?.explain(vm).await?;
    match global.output {
        Format::Table => output::text(&render::explain(&explanation)),
        Format::Json => output::json(&explanation),
    }
}

/// Prints QEMU's arguments for a socket, or for the socket of a VM of the daemon.
pub(crate) async fn qemu_args(global: &Global, args: &QemuArgs) -> Result<()> {
    let socket = if args.target.contains('/') {
        // QEMU may be started somewhere else.
        let path = absolute(&args.target).context("cannot tell the working directory")?;
        path.to_str().context("the path has to be UTF-8")?.to_owned()
    } else if args.target.starts_with(TCP) {
        args.target.clone()
    } else {
        DaemonClient::connect(&global.api).await?.explain(&args.target).await?.vm.socket
    };
    let arguments = qemu_args::qemu_args(&socket, args.qemu_version)?;
    match global.output {
        Format::Table => output::text(&qemu_args::text(&arguments)),
        Format::Json => output::json(&Arguments { arguments }),
    }
}

#[derive(Serialize)]
struct Attached<'a> {
    name: &'a str,
    socket: &'a str,
}

#[derive(Serialize)]
struct Pools {
    pools: Vec<Pool>,
}

#[derive(Serialize)]
struct Classes {
    classes: Vec<Class>,
}

#[derive(Serialize)]
struct Vms {
    vms: Vec<Vm>,
}

#[derive(Serialize)]
struct Sources {
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Arguments {
    arguments: Vec<String>,
}
