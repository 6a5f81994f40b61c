//! Starts all tasks of the controller, and stops them in order.

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
use crate::args::OneOff;
use crate::ca::{self, Certificate, TokenReviewer, TrustState};
use crate::kubevirt::PluginReconciler;
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::EventRecorder;
use crate::{
    ControllerArgs, admin, admission, agents, kubevirt, leader_election, nodes, reconciler, service_check,
    status, watches,
};

/// The Service of the controller.
const SERVICE: &str = "entropool-controller";
/// Connections that are still open after this are closed.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub fn run(args: ControllerArgs) -> Result<()> {
    telemetry::init_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("failed to start the threads of the runtime")?.block_on(run_tasks(args))
}

async fn run_tasks(args: ControllerArgs) -> Result<()> {
    // The provider of all TLS. An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).context("failed to install a handler of SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to install a handler of SIGINT")?;
    if let Some(OneOff::CheckService { host, port, ca_file }) = &args.command {
        return service_check::run(host, *port, ca_file).await;
    }
    let client = client(&args).await?;
    if let Some(OneOff::CleanNodes) = args.command {
        return nodes::clean(client, &args.namespace).await;
    }
    let state = Arc::new(SharedState::default());
    let mut tasks = JoinSet::new();
    let agents =
        AgentAccount { namespace: args.namespace.clone(), service_account: args.agent_account.clone() };
    watches::start(&state, &client, &agents, &mut tasks);
    tasks.spawn(reconciler::run(Arc::clone(&state)));
    let role = Arc::new(watch::Sender::new(Leadership::NoLeader));
    let identity = identity(&args);
    let election =
        leader_election::run(client.clone(), args.namespace.clone(), identity.clone(), Arc::clone(&role));
    let election = tasks.spawn(election);
    let recorder = Arc::new(EventRecorder::new(client.clone(), identity.clone()));
    tasks.spawn(status::run(Arc::clone(&state), client.clone(), Arc::clone(&recorder), role.subscribe()));
    tasks.spawn(nodes::run(Arc::clone(&state), client.clone(), role.subscribe()));
    let certificate = Arc::new(Certificate::default());
    let bundle = start_certificate(&args, &client, &certificate, role.subscribe(), &mut tasks);
    tasks.spawn(admission::register(client.clone(), bundle, role.subscribe()));
    let (stop, stopping) = watch::channel(false);
    let reviewer = Arc::new(TokenReviewer::new(client.clone(), agents));
    let health = Arc::new(admin::ReplicaHealth {
        state: Arc::clone(&state),
        certificate: Arc::clone(&certificate),
        role: role.subscribe(),
        stopping: stopping.clone(),
    });
    tasks.spawn(admin::bind(args.http, Arc::clone(&health)).await?);
    if let Some(address) = args.health {
        tasks.spawn(admin::bind_health(address, health).await?);
    }
    let injection = start_injection(&args, &client, role.subscribe(), &mut tasks);
    let handler = AdmissionHandler::new(Arc::clone(&state), injection);
    let webhooks =
        admission::bind(args.webhooks, Arc::clone(&certificate), handler, stopping.clone()).await?;
    let server = AgentServer {
        listen: args.listen,
        state,
        reviewer,
        recorder,
        certificate,
        role: role.subscribe(),
        stopping,
    };
    let streams = agents::bind(server).await?;
    let serving = tokio::spawn(async { tokio::join!(streams, webhooks) });
    tokio::select! {
        _ = terminate.recv() => info!(signal = "SIGTERM", "stopping"),
        _ = interrupt.recv() => info!(signal = "SIGINT", "stopping"),
    }
    // First, so that the agents connect to the next leader, which writes what they report.
    election.abort();
    role.send_replace(Leadership::NoLeader);
    leader_election::release(client, &args.namespace, &identity).await;
    stop.send_replace(true);
    if tokio::time::timeout(GRACE_PERIOD, serving).await.is_err() {
        info!("some connections did not end within the grace period");
    }
    tasks.shutdown().await;
    Ok(())
}

/// Starts the task that provides the serving certificate, and returns the CA bundle that verifies it.
fn start_certificate(
    args: &ControllerArgs,
    client: &Client,
    certificate: &Arc<Certificate>,
    role: watch::Receiver<Leadership>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Option<String>> {
    let published = TrustState::default();
    let bundle = published.subscribe();
    let certificate = Arc::clone(certificate);
    match &args.tls_dir {
        Some(directory) => tasks.spawn(ca::watch_directory(directory.clone(), certificate, published)),
        None => tasks.spawn(ca::rotate(
            client.clone(),
            args.namespace.clone(),
            dns_names(args),
            certificate,
            published,
            role,
        )),
    };
    bundle
}

/// Starts the tasks that determine `KubeVirt`'s injection method, and returns it.
fn start_injection(
    args: &ControllerArgs,
    client: &Client,
    role: watch::Receiver<Leadership>,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<Option<InjectionMethod>> {
    let watched = kubevirt::watch(client, tasks);
    let (injection, receiver) = watch::channel(None);
    let reconciler = PluginReconciler {
        client: client.clone(),
        image: args.hook_image.clone(),
        resources: args.hook_resources.clone(),
        role,
        injection,
    };
    tasks.spawn(reconciler.run(watched));
    receiver
}

/// The names by which agents and the API server may reach the controller.
fn dns_names(args: &ControllerArgs) -> Vec<String> {
    let service = format!("{SERVICE}.{}.svc", args.namespace);
    let defaults = [
        SERVICE.to_owned(),
        format!("{SERVICE}.{}", args.namespace),
        format!("{service}.cluster.local"),
        service,
    ];
    defaults.into_iter().chain(args.tls_names.iter().cloned()).collect()
}

/// This replica's identity in the Lease: the pod's name, else the host's name with the process id.
fn identity(args: &ControllerArgs) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    args.name.clone().unwrap_or_else(|| format!("{}-{}", host().trim(), std::process::id()))
}

async fn client(args: &ControllerArgs) -> Result<Client> {
    let config = if let Some(file) = &args.kubeconfig {
        let read = Kubeconfig::read_from(file)
            .with_context(|| format!("{} is not a valid kubeconfig", file.display()))?;
        Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
            .await
            .with_context(|| format!("the current context of {} cannot be used", file.display()))?
    } else {
        let hint = "there is neither a kubeconfig nor a pod's service account: set --kubeconfig";
        Config::infer().await.context(hint)?
    };
    Client::try_from(config).context("failed to create a client of the API server")
}
