//! The controller, put together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use delivery::agent_auth::AgentAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;
use webhook::InjectionMethod;

use crate::admission::AdmissionHandler;
use crate::agents::AgentServer;
use crate::args::Mode;
use crate::ca::{self, Certificate, TokenReviewer, TrustState};
use crate::kubevirt::PluginReconciler;
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::EventRecorder;
use crate::{Args, admin, admission, agents, kubevirt, leader_election, nodes, reconciler, status, watches};

/// The Service in front of us.
const SERVICE: &str = "entropool-controller";
/// Connections that have not ended after this are cut.
const LEAVING: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub fn run(args: Args) -> Result<()> {
    telemetry::init_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(control(args))
}

async fn control(args: Args) -> Result<()> {
    // One provider for all TLS there is; a second install would only mean that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let client = client(&args).await?;
    if let Some(Mode::CleanNodes) = args.errand {
        return nodes::clean(client, &args.namespace).await;
    }
    let world = Arc::new(SharedState::default());
    let mut tasks = JoinSet::new();
    let agents =
        AgentAccount { namespace: args.namespace.clone(), service_account: args.agent_account.clone() };
    watches::start(&world, &client, &agents, &mut tasks);
    tasks.spawn(reconciler::run(Arc::clone(&world)));
    let role = Arc::new(watch::Sender::new(Leadership::NoLeader));
    let me = name(&args);
    let holding = leader_election::run(client.clone(), args.namespace.clone(), me.clone(), Arc::clone(&role));
    let holding = tasks.spawn(holding);
    let herald = Arc::new(EventRecorder::new(client.clone(), me.clone()));
    tasks.spawn(status::run(Arc::clone(&world), client.clone(), Arc::clone(&herald), role.subscribe()));
    tasks.spawn(nodes::run(Arc::clone(&world), client.clone(), role.subscribe()));
    let certificate = Arc::new(Certificate::default());
    let trusted = keep_certificate(&args, &client, &certificate, role.subscribe(), &mut tasks);
    tasks.spawn(admission::register(client.clone(), trusted, role.subscribe()));
    let (leave, leaving) = watch::channel(false);
    let reviewer = Arc::new(TokenReviewer::new(client.clone(), agents));
    let health = admin::ReplicaHealth {
        world: Arc::clone(&world),
        certificate: Arc::clone(&certificate),
        role: role.subscribe(),
        leaving: leaving.clone(),
    };
    tasks.spawn(admin::bind(args.http, health).await?);
    let judge =
        AdmissionHandler::new(Arc::clone(&world), keep_way(&args, &client, role.subscribe(), &mut tasks));
    let admitting = admission::bind(args.webhooks, Arc::clone(&certificate), judge, leaving.clone()).await?;
    let serving = AgentServer {
        listen: args.listen,
        world,
        reviewer,
        herald,
        certificate,
        role: role.subscribe(),
        leaving,
    };
    let serving = agents::bind(serving).await?;
    let serving = tokio::spawn(async { tokio::join!(serving, admitting) });
    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM: stopping"),
        _ = interrupt.recv() => info!("interrupted: stopping"),
    }
    // First, so that the agents find another who writes what they say.
    holding.abort();
    role.send_replace(Leadership::NoLeader);
    leader_election::release(client, &args.namespace, &me).await;
    leave.send_replace(true);
    if tokio::time::timeout(LEAVING, serving).await.is_err() {
        info!("some connections did not end in time");
    }
    tasks.shutdown().await;
    Ok(())
}

fn keep_certificate(
    args: &Args,
    client: &Client,
    certificate: &Arc<Certificate>,
    role: watch::Receiver<Leadership>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Option<String>> {
    let trusted = TrustState::default();
    let bundle = trusted.subscribe();
    let certificate = Arc::clone(certificate);
    match &args.tls_dir {
        Some(directory) => tasks.spawn(ca::follow_directory(directory.clone(), certificate, trusted)),
        None => tasks.spawn(ca::keep(
            client.clone(),
            args.namespace.clone(),
            names_of(args),
            certificate,
            trusted,
            role,
        )),
    };
    bundle
}

/// Says how VMs' domains are changed.
fn keep_way(
    args: &Args,
    client: &Client,
    role: watch::Receiver<Leadership>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Option<InjectionMethod>> {
    let told = kubevirt::follow(client, tasks);
    let (way, ways) = watch::channel(None);
    let keeper = PluginReconciler { client: client.clone(), image: args.hook_image.clone(), role, way };
    tasks.spawn(keeper.run(told));
    ways
}

/// All names that agents may call us by.
fn names_of(args: &Args) -> Vec<String> {
    let service = format!("{SERVICE}.{}.svc", args.namespace);
    let usual = [
        SERVICE.to_owned(),
        format!("{SERVICE}.{}", args.namespace),
        format!("{service}.cluster.local"),
        service,
    ];
    usual.into_iter().chain(args.tls_names.iter().cloned()).collect()
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
