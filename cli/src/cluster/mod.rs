//! `kubectl entropool`: the same program by another name, asking a cluster with its caller's own rights.

mod args;
mod objects;
mod plan;
mod tables;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use self::args::{ClusterArgs, ClusterVerb};
use crate::args::Format;
use crate::ask::block_on;
use crate::print;

/// The name under which `kubectl` finds us.
pub(crate) const NAME: &str = "kubectl-entropool";

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    match block_on(act(&ClusterArgs::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kubectl entropool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(args: &ClusterArgs) -> Result<()> {
    let client = client(args).await?;
    match &args.verb {
        ClusterVerb::Pools => {
            let pools = objects::pools(&client).await?;
            match args.output {
                Format::Table => print::text(&tables::pools(&pools)),
                Format::Json => print::json(&json!({ "pools": pools })),
            }
        }
        ClusterVerb::Classes { pool } => {
            let mut classes = objects::classes(&client).await?;
            classes.retain(|class| pool.as_ref().is_none_or(|pool| *pool == *class.spec.pool));
            match args.output {
                Format::Table => print::text(&tables::classes(&classes)),
                Format::Json => print::json(&json!({ "classes": classes })),
            }
        }
        ClusterVerb::Plan { files } => plan::plan(&client, files, args.output).await,
    }
}

async fn client(args: &ClusterArgs) -> Result<Client> {
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    let config = match &args.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("{} is no kubeconfig", path.display()))?;
            Config::from_custom_kubeconfig(file, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.context("no cluster is configured: set KUBECONFIG, or name one with --kubeconfig")?;
    Client::try_from(config).context("the kubeconfig's credentials cannot be used")
}
