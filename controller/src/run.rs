//! The controller, put together.

use std::sync::Arc;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use crate::world::World;
use crate::{Args, feed, lease, log, planner, status};

/// Runs until SIGTERM or SIGINT.
pub fn run(args: Args) -> Result<()> {
    log::init()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> Result<()> {
    // One provider for all TLS there is; a second install would only mean that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let client = client(&args).await?;
    let world = Arc::new(World::default());
    let mut tasks = JoinSet::new();
    feed::start(&world, &client, &mut tasks);
    tasks.spawn(planner::run(Arc::clone(&world)));
    let leads = Arc::new(watch::Sender::new(false));
    let me = name(&args);
    tasks.spawn(lease::run(client.clone(), args.namespace.clone(), me.clone(), Arc::clone(&leads)));
    tasks.spawn(status::run(Arc::clone(&world), client.clone(), leads.subscribe()));
    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM: stopping"),
        _ = interrupt.recv() => info!("interrupted: stopping"),
    }
    tasks.shutdown().await;
    lease::release(client, &args.namespace, &me).await;
    Ok(())
}

/// This replica's name in the Lease: the pod's, else the host's with the process.
fn name(args: &Args) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    args.name.clone().unwrap_or_else(|| format!("{}-{}", host().trim(), std::process::id()))
}

async fn client(args: &Args) -> Result<Client> {
    let config = match &args.kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file)
                .with_context(|| format!("{} is no kubeconfig", file.display()))?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("{} names no cluster that can be used", file.display()))?
        }
        None => Config::infer().await.context("neither a kubeconfig nor a pod's own account was found")?,
    };
    Client::try_from(config).context("no client can be made for the API server")
}
