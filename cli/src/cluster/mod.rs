//! `kubectl entropool`: commands for a cluster, with the rights of the caller's kubeconfig.

mod agent_commands;
mod agents;
mod api_error;
mod args;
mod check;
mod nodes;
mod objects;
mod plan;
mod pods;
mod tables;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use self::args::{ClusterArgs, ClusterCommand, ClusterGlobal};
use crate::args::{Format, SourcesCommand};
use crate::commands::block_on;
use crate::output;

/// The name of the program as a plugin of kubectl.
pub(crate) const NAME: &str = "kubectl-entropool";

pub(crate) fn main() -> ExitCode {
    match block_on(execute(&ClusterArgs::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kubectl entropool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(args: &ClusterArgs) -> Result<()> {
    let client = &client(&args.global).await?;
    let global = &args.global;
    let namespace = global.namespace.as_deref();
    match &args.command {
        ClusterCommand::Pools => {
            let pools = objects::pools(client).await?;
            match global.output {
                Format::Table => output::print(&tables::pools(&pools)),
                Format::Json => output::print_json(&json!({ "pools": pools })),
            }
        }
        ClusterCommand::Classes { pool } => {
            let mut classes = objects::classes(client).await?;
            classes.retain(|class| pool.as_ref().is_none_or(|pool| *pool == *class.spec.pool));
            match global.output {
                Format::Table => output::print(&tables::classes(&classes)),
                Format::Json => output::print_json(&json!({ "classes": classes })),
            }
        }
        ClusterCommand::Nodes => nodes::nodes(client, global.output).await,
        ClusterCommand::Vms(selection) => agent_commands::vms(client, global, selection, false).await,
        ClusterCommand::Waiting(selection) => agent_commands::vms(client, global, selection, true).await,
        ClusterCommand::Sources { selection, command: None } => {
            agent_commands::sources(client, global, selection).await
        }
        ClusterCommand::Sources { selection, command: Some(SourcesCommand::Retest { name, wait }) } => {
            agent_commands::retest(client, global, selection, name, *wait).await
        }
        ClusterCommand::Top { node, top } => agent_commands::top(client, global, node, top).await,
        ClusterCommand::Explain(name) => agent_commands::explain(client, global, name).await,
        ClusterCommand::Move { vm, class } => pods::move_vm(client, namespace, &vm.vm, class).await,
        ClusterCommand::Detach(name) => agent_commands::detach(client, global, name).await,
        ClusterCommand::Plan { files } => plan::plan(client, files, global.output).await,
        ClusterCommand::Check(selection) => check::check(client, global, selection).await,
    }
}

async fn client(args: &ClusterGlobal) -> Result<Client> {
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    let config = match &args.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.context("no cluster is configured; set KUBECONFIG, or use --kubeconfig")?;
    Client::try_from(config).context("cannot use the credentials of the kubeconfig")
}
