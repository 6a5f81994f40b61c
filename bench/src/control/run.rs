//! What is done, and what is printed of it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::sync::mpsc;

use super::fleet::{Ack, Shared};
use super::program::{Program, Start, cpu_of};
use super::store::Store;
use super::{Args, apiserver, objects};

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two edits, so that each is alone.
const PAUSE: Duration = Duration::from_millis(300);
/// How long it is looked whether a VM more sends anything: an agent tells of it within a second.
const QUIET: Duration = Duration::from_secs(4);

/// Everything that is there.
struct Scenario {
    store: Arc<Store>,
    start: Start,
    program: Program,
    shared: Arc<Shared>,
    acks: mpsc::UnboundedReceiver<Ack>,
    agents: usize,
    /// Holds the kubeconfig.
    _dir: tempfile::TempDir,
}

/// Measures, and prints a line each.
pub(crate) async fn run(args: &Args) -> Result<()> {
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    println!("{} agents with {} VMs each, {} classes", args.agents, args.vms, args.classes);
    let mut scene = set(args).await?;
    first_time(&mut scene).await?;
    edits(&mut scene, args.edits).await?;
    a_vm_more(&scene, args.vms).await?;
    restart(&mut scene).await?;
    println!("resident: {:.1} MiB", mebibytes(scene.program.resident()?));
    println!("load after: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

async fn set(args: &Args) -> Result<Scenario> {
    let store = Arc::new(Store::default());
    objects::fill(&store, args.agents, args.classes);
    let api = apiserver::serve(Arc::clone(&store), Duration::from_millis(args.review)).await?;
    let dir = tempfile::tempdir()?;
    let kubeconfig = dir.path().join("kubeconfig");
    std::fs::write(&kubeconfig, kubeconfig_of(api))?;
    let (agents, http, webhooks) = (free()?, free()?, free()?);
    let start =
        Start { program: args.controller.clone(), kubeconfig, agents, http, webhooks, core: args.core };
    let program = start.start()?;
    let authority = authority(&store).await?;
    let (shared, acks) = Shared::new(agents, &authority, args.vms)?;
    Ok(Scenario { store, start, program, shared, acks, agents: args.agents, _dir: dir })
}

async fn authority(store: &Store) -> Result<String> {
    for _ in 0..600 {
        let map = store.get("configmaps", "entropool-ca");
        if let Some(bundle) = map.as_ref().and_then(|map| map["data"]["ca.crt"].as_str()) {
            return Ok(bundle.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the controller makes no authority")
}

/// All connect for the first time, and hold nothing yet.
async fn first_time(scene: &mut Scenario) -> Result<()> {
    let (from, cpu) = (Instant::now(), Cpu::now(&scene.program)?);
    scene.shared.start(scene.agents);
    all_in_step(scene).await?;
    println!(
        "first connection of all: {:.2} s, {}",
        from.elapsed().as_secs_f64(),
        cpu.since(&scene.program)?
    );
    println!("resident: {:.1} MiB", mebibytes(scene.program.resident()?));
    // Status and reports settle.
    tokio::time::sleep(Duration::from_secs(3)).await;
    drain(&mut scene.acks);
    Ok(())
}

/// One class edited, over and over: until each agent has said that it runs it.
async fn edits(scene: &mut Scenario, edits: usize) -> Result<()> {
    let mut each = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let mut last = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let mut bytes = 0;
    let cpu = Cpu::now(&scene.program)?;
    for edit in 0..edits {
        tokio::time::sleep(PAUSE).await;
        drain(&mut scene.acks);
        let before = scene.shared.received.load(Relaxed);
        let (told, version) = scene.store.edit("entropyclasses", "class-7", |spec| {
            spec["rate"] = json!(format!("{}/s", 1_024 + edit + 1));
        });
        let slowest = acked(scene, (told, version), &mut each).await?;
        last.saturating_record(slowest);
        bytes = bytes.max(scene.shared.received.load(Relaxed) - before);
    }
    let cpu = cpu.since(&scene.program)?;
    let figure = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "one class edited, {edits} times: acked by an agent p50 {:.0} ms, p99 {:.0} ms; by all of them p50 {:.0} ms, p99 {:.0} ms",
        figure(&each, 0.5),
        figure(&each, 0.99),
        figure(&last, 0.5),
        figure(&last, 0.99)
    );
    println!("sent for one edit, TLS and all: at most {:.2} MiB; {cpu}", mebibytes(bytes));
    Ok(())
}

/// The time until the last ack, in microseconds.
async fn acked(
    scene: &mut Scenario,
    (told, version): (Instant, u64),
    each: &mut Histogram<u64>,
) -> Result<u64> {
    let mut waiting = vec![true; scene.agents];
    let (mut left, mut slowest) = (scene.agents, 0);
    while left > 0 {
        let ack = tokio::time::timeout(PATIENCE, scene.acks.recv()).await.context("not all have acked")?;
        let ack = ack.context("the agents are gone")?;
        if ack.classes >= version && std::mem::take(&mut waiting[ack.agent]) {
            let took = u64::try_from(ack.at.saturating_duration_since(told).as_micros())?;
            each.saturating_record(took);
            (left, slowest) = (left - 1, slowest.max(took));
        }
    }
    Ok(slowest)
}

/// Every node has a VM more, and then a VM less.
async fn a_vm_more(scene: &Scenario, vms: usize) -> Result<()> {
    let before = scene.shared.updates.load(Relaxed);
    for vms in [vms + 1, vms] {
        scene.shared.vms.send_replace(vms);
        tokio::time::sleep(QUIET).await;
    }
    let sent = scene.shared.updates.load(Relaxed) - before;
    println!("a VM more and a VM less on each node: {sent} messages of the controller");
    ensure!(sent == 0, "a VM sends no configuration");
    Ok(())
}

/// The controller is killed and started again: until all agents know that they run what they should.
async fn restart(scene: &mut Scenario) -> Result<()> {
    drain(&mut scene.acks);
    let failed = scene.shared.failed.load(Relaxed);
    scene.program.kill()?;
    scene.program = scene.start.start()?;
    let (from, cpu) = (Instant::now(), Cpu::now(&scene.program)?);
    let mut counted = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let mut waiting = vec![true; scene.agents];
    let mut left = scene.agents;
    while left > 0 {
        let ack = tokio::time::timeout(PATIENCE, scene.acks.recv()).await.context("not all came back")?;
        let ack = ack.context("the agents are gone")?;
        if std::mem::take(&mut waiting[ack.agent]) {
            left -= 1;
            counted.saturating_record(ack.bytes);
        }
    }
    println!(
        "after a restart all were back and had acked in {:.2} s ({} attempts failed), an agent got {} bytes at most; {}",
        from.elapsed().as_secs_f64(),
        scene.shared.failed.load(Relaxed) - failed,
        counted.max(),
        cpu.since(&scene.program)?
    );
    Ok(())
}

async fn all_in_step(scene: &Scenario) -> Result<()> {
    let mut in_step = scene.shared.in_step.subscribe();
    let all = in_step.wait_for(|count| *count == scene.agents);
    tokio::time::timeout(PATIENCE, all).await.context("not all agents are in step")??;
    Ok(())
}

fn drain(acks: &mut mpsc::UnboundedReceiver<Ack>) {
    while acks.try_recv().is_ok() {}
}

/// Processor time of both sides.
struct Cpu(Duration, Duration);

impl Cpu {
    fn now(program: &Program) -> Result<Self> {
        Ok(Self(program.cpu()?, cpu_of("self")?))
    }

    fn since(&self, program: &Program) -> Result<String> {
        let Self(controller, agents) = Self::now(program)?;
        let spent =
            [controller.saturating_sub(self.0).as_secs_f64(), agents.saturating_sub(self.1).as_secs_f64()];
        Ok(format!("CPU {:.2} s of the controller, {:.2} s of all others", spent[0], spent[1]))
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn kubeconfig_of(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: bench\n\
         contexts: [{{name: bench, context: {{cluster: bench, user: nobody}}}}]\n\
         clusters: [{{name: bench, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: nobody, user: {{}}}}]\n"
    )
}
