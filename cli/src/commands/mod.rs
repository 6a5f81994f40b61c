//! The commands that call a daemon, and those that need none.

mod offline;
mod qemu_args;

use std::future::Future;
use std::path::absolute;

use anyhow::{Context, Result};
use proto::local::ListVmsRequest;
use serde_json::json;

use crate::args::{AttachArgs, ClassesArgs, Format, Global, QemuArgs, SourcesArgs, SourcesCommand, VmsArgs};
use crate::client::DaemonClient;
use crate::egd::TCP;
use crate::{output, retest};

pub(crate) use offline::{completion, crds};

/// Runs a command on this thread.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(command)
}

/// Attaches a VM and prints the path of its socket.
pub(crate) async fn attach(global: &Global, args: &AttachArgs) -> Result<()> {
    let mut daemon = DaemonClient::connect(&global.api).await?;
    let socket = daemon.attach(&args.vm, &args.namespace).await?;
    match global.output {
        Format::Table => output::print_line(&socket),
        Format::Json => output::print_json(&json!({ "name": args.vm.name, "socket": socket })),
    }
}

pub(crate) async fn detach(global: &Global, vm: &str) -> Result<()> {
    Ok(DaemonClient::connect(&global.api).await?.detach(vm).await?)
}

pub(crate) async fn move_vm(global: &Global, vm: &str, class: &str) -> Result<()> {
    Ok(DaemonClient::connect(&global.api).await?.move_vm(vm, class).await?)
}

pub(crate) async fn pools(global: &Global) -> Result<()> {
    let response = DaemonClient::connect(&global.api).await?.pools().await?;
    match global.output {
        Format::Table => output::print(&output::pools(&response.pools)),
        Format::Json => output::print_json(&response),
    }
}

pub(crate) async fn classes(global: &Global, args: &ClassesArgs) -> Result<()> {
    let response = DaemonClient::connect(&global.api).await?.classes(args.pool.clone()).await?;
    match global.output {
        Format::Table => output::print(&output::classes(&response.classes)),
        Format::Json => output::print_json(&response),
    }
}

pub(crate) async fn vms(global: &Global, args: &VmsArgs) -> Result<()> {
    let response = DaemonClient::connect(&global.api).await?.vms(request(args, false)).await?;
    match global.output {
        Format::Table => output::print(&output::vms(&response.vms)),
        Format::Json => output::print_json(&response),
    }
}

pub(crate) async fn waiting(global: &Global, args: &VmsArgs) -> Result<()> {
    let response = DaemonClient::connect(&global.api).await?.vms(request(args, true)).await?;
    match global.output {
        Format::Table => output::print(&output::waiting(&response.vms)),
        Format::Json => output::print_json(&response),
    }
}

fn request(args: &VmsArgs, waiting: bool) -> ListVmsRequest {
    let (pool, class) = (args.pool.clone(), args.class.clone());
    ListVmsRequest { pool: pool.unwrap_or_default(), class: class.unwrap_or_default(), waiting }
}

/// Prints the sources, or retests some.
pub(crate) async fn sources(global: &Global, args: &SourcesArgs) -> Result<()> {
    let mut daemon = DaemonClient::connect(&global.api).await?;
    if let Some(SourcesCommand::Retest { name, wait }) = &args.command {
        let verdicts = retest::retest(&mut daemon, name, *wait).await?;
        match global.output {
            Format::Table => {
                verdicts.iter().try_for_each(|verdict| output::print_line(&verdict.to_string()))?;
            }
            Format::Json if *wait => output::print_json(&json!({ "sources": verdicts }))?,
            Format::Json => {}
        }
        return retest::all_passed(verdicts.iter());
    }
    let response = daemon.sources().await?;
    match global.output {
        Format::Table => output::print(&output::sources(&response.sources)),
        Format::Json => output::print_json(&response),
    }
}

pub(crate) async fn explain(global: &Global, vm: &str) -> Result<()> {
    let response = DaemonClient::connect(&global.api).await?.explain(vm).await?;
    match global.output {
        Format::Table => output::print(&output::explain(&response)),
        Format::Json => output::print_json(&response),
    }
}

/// Prints QEMU's arguments for a socket, or for the socket of a daemon's VM.
pub(crate) async fn qemu_args(global: &Global, args: &QemuArgs) -> Result<()> {
    let socket = if args.target.contains('/') {
        // QEMU may be started in another directory.
        let path = absolute(&args.target).context("cannot find the working directory")?;
        path.to_str().context("the socket's path must be UTF-8")?.to_owned()
    } else if args.target.starts_with(TCP) {
        args.target.clone()
    } else {
        let response = DaemonClient::connect(&global.api).await?.explain(&args.target).await?;
        response.vm.unwrap_or_default().socket
    };
    let arguments = qemu_args::qemu_args(&socket, args.qemu_version)?;
    match global.output {
        Format::Table => output::print(&qemu_args::text(&arguments)),
        Format::Json => output::print_json(&json!({ "arguments": arguments })),
    }
}
