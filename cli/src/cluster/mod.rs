//! `kubectl entropool`: commands for a cluster, with the rights of the caller's kubeconfig.

mod agent_commands;
mod agents;
mod api_error;
mod args;
mod check;
mod confirm;
mod events;
mod listing;
mod nodes;
mod objects;
mod plan;
mod pods;
mod tables;
mod uninstall;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use self::args::{ClusterArgs, ClusterCommand, ClusterGlobal};
use crate::args::SourcesCommand;
use crate::commands::block_on;

pub(crate) use args::NAME;

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
    match &args.command {
        ClusterCommand::Pools => {
            listing::run(global, async |layout| tables::list_pools(client, layout).await).await
        }
        ClusterCommand::Classes { pool } => {
            listing::run(global, async |layout| tables::list_classes(client, pool.as_deref(), layout).await)
                .await
        }
        ClusterCommand::Nodes => {
            listing::run(global, async |layout| nodes::nodes(client, layout).await).await
        }
        ClusterCommand::Vms(selection) => {
            listing::run(global, async |layout| {
                agent_commands::vms(client, global, selection, false, layout).await
            })
            .await
        }
        ClusterCommand::Waiting(selection) => {
            listing::run(global, async |layout| {
                agent_commands::vms(client, global, selection, true, layout).await
            })
            .await
        }
        ClusterCommand::Sources { selection, command: None } => {
            listing::run(global, async |layout| {
                agent_commands::sources(client, global, selection, layout).await
            })
            .await
        }
        ClusterCommand::Sources { selection, command: Some(SourcesCommand::Retest { name, wait }) } => {
            agent_commands::retest(client, global, selection, name, *wait).await
        }
        ClusterCommand::Top { node, top } => agent_commands::top(client, global, node, top).await,
        ClusterCommand::Explain(name) => agent_commands::explain(client, global, name).await,
        ClusterCommand::Move { vm, class } => agent_commands::move_vm(client, global, vm, class).await,
        ClusterCommand::Detach(args) => agent_commands::detach(client, global, args).await,
        ClusterCommand::Uninstall(args) => uninstall::uninstall(client, global, args).await,
        ClusterCommand::Plan { files } => plan::plan(client, files, global.output.plain()).await,
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
    let mut config = config.context("no cluster is configured; set KUBECONFIG, or use --kubeconfig")?;
    if let Some(server) = &args.server {
        config.cluster_url = server.parse().with_context(|| format!("--server: {server} is not a URL"))?;
    }
    if let Some(token) = &args.token {
        // As kubectl does: a token replaces what else the context authenticates with.
        config.auth_info = AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() };
    }
    if args.as_user.is_some() {
        config.auth_info.impersonate.clone_from(&args.as_user);
        config.auth_info.impersonate_groups =
            Some(args.as_groups.clone()).filter(|groups| !groups.is_empty());
    }
    Client::try_from(config).context("cannot use the credentials of the kubeconfig")
}
