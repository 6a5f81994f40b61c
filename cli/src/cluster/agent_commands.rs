//! The verbs that ask the nodes' agents.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use kube::Client;
use serde::Serialize;
use serde_json::json;

use super::agents::{AgentAnswers, Agents};
use super::args::{ClusterGlobal, Locator, ObjectName};
use super::pods::{self, FoundPod};
use crate::args::{Format, TopArgs};
use crate::client::{DaemonClient, VmFilter};
use crate::render::{self, Table};
use crate::view::{Source, Vm};
use crate::{output, top};

/// What is on a node.
#[derive(Serialize)]
struct OnNode<T> {
    node: String,
    #[serde(flatten)]
    what: T,
}

/// Prints the VMs that draw, or those that wait.
pub(super) async fn vms(
    client: &Client,
    global: &ClusterGlobal,
    place: &Locator,
    waiting: bool,
) -> Result<()> {
    let filter = VmFilter { pool: place.pool.clone(), class: None, waiting };
    let asked =
        ask(client, global, place, async |mut daemon: DaemonClient| Ok(daemon.vms(filter.clone()).await?))
            .await?;
    let names = pods::names(client).await;
    let (mut found, unreachable) = answered(asked);
    found.iter_mut().flat_map(|(_, vms)| vms).for_each(|vm| named(vm, &names));
    match global.output {
        Format::Json => output::json(&json!({ "vms": flat(found) }))?,
        Format::Table if waiting => {
            let tables = found.iter().map(|(node, vms)| (node.clone(), render::waiting_table(vms)));
            output::text(&Table::joined("NODE", tables).or(render::NOBODY_WAITS))?;
        }
        Format::Table => {
            let tables = found.iter().map(|(node, vms)| (node.clone(), render::vms_table(vms)));
            output::text(&Table::joined("NODE", tables).or(render::NO_VMS))?;
        }
    }
    complain(&unreachable)
}

/// Prints what the pools draw from.
pub(super) async fn sources(client: &Client, global: &ClusterGlobal, place: &Locator) -> Result<()> {
    let wanted = |source: &Source| place.pool.as_ref().is_none_or(|pool| *pool == source.pool);
    let asked = ask(client, global, place, async |mut daemon: DaemonClient| {
        Ok(daemon.sources().await?.into_iter().filter(wanted).collect::<Vec<_>>())
    })
    .await?;
    let (found, unreachable) = answered(asked);
    match global.output {
        Format::Json => output::json(&json!({ "sources": flat(found) }))?,
        Format::Table => {
            let tables = found.iter().map(|(node, sources)| (node.clone(), render::sources_table(sources)));
            let table = Table::joined("NODE", tables).or(render::NO_SOURCES);
            output::text(&(table + &found.iter().map(not_healthy).collect::<String>()))?;
        }
    }
    complain(&unreachable)
}

/// Has a source tested anew on the nodes that have it.
pub(super) async fn retest(
    client: &Client,
    global: &ClusterGlobal,
    place: &Locator,
    name: &str,
) -> Result<()> {
    let asked =
        ask(client, global, place, async |mut daemon: DaemonClient| Ok(daemon.retest(name).await?)).await?;
    let (done, refused) = answered(asked);
    // Not every node has every source.
    if done.is_empty() { complain(&refused) } else { Ok(()) }
}

/// Each sentence with the node that it is about.
fn not_healthy((node, sources): &(String, Vec<Source>)) -> String {
    let sentences = render::why_not_healthy(sources);
    let told = sentences.lines().filter(|line| !line.is_empty());
    told.flat_map(|sentence| ["\n", node, ": ", sentence, "\n"]).collect()
}

/// Watches the tree of one node.
pub(super) async fn top(client: &Client, global: &ClusterGlobal, node: &str, args: &TopArgs) -> Result<()> {
    let agents = Agents::find(client, &global.system_namespace, &[node.to_owned()]).await?;
    top::watch(agents.of(node).await?, global.output, args).await
}

/// Prints why a VM gets what it gets.
pub(super) async fn explain(client: &Client, global: &ClusterGlobal, name: &ObjectName) -> Result<()> {
    let (found, mut daemon) = reach(client, global, name).await?;
    let mut explanation = daemon.explain(&found.uid).await?;
    explanation.vm.name.clone_from(&found.pod);
    if let Some(leaf) = explanation.path.iter_mut().find(|step| step.name == found.uid) {
        leaf.name.clone_from(&found.pod);
    }
    match global.output {
        Format::Table => output::text(&render::explain(&explanation)),
        Format::Json => output::json(&OnNode { node: found.node, what: explanation }),
    }
}

/// Cuts a VM off.
pub(super) async fn detach(client: &Client, global: &ClusterGlobal, name: &ObjectName) -> Result<()> {
    let (found, mut daemon) = reach(client, global, name).await?;
    Ok(daemon.detach(&found.uid).await?)
}

/// A VM's pod, and the agent of its node.
async fn reach(
    client: &Client,
    global: &ClusterGlobal,
    name: &ObjectName,
) -> Result<(FoundPod, DaemonClient)> {
    let found = pods::find(client, global.namespace.as_deref(), &name.vm).await?;
    let agents = Agents::find(client, &global.system_namespace, std::slice::from_ref(&found.node)).await?;
    let daemon = agents.of(&found.node).await?;
    Ok((found, daemon))
}

async fn ask<T>(
    client: &Client,
    global: &ClusterGlobal,
    place: &Locator,
    question: impl AsyncFn(DaemonClient) -> Result<T>,
) -> Result<Vec<AgentAnswers<T>>> {
    let agents = Agents::find(client, &global.system_namespace, &place.nodes).await?;
    agents.some()?;
    Ok(agents.ask(question).await)
}

/// A pod is known by its name to people, and by its UID to agents.
fn named(vm: &mut Vm, names: &BTreeMap<String, String>) {
    if let Some(name) = names.get(&vm.name) {
        vm.name.clone_from(name);
    }
}

/// The answers, and why the other nodes gave none.
fn answered<T>(asked: Vec<AgentAnswers<T>>) -> (Vec<(String, T)>, Vec<String>) {
    let (mut found, mut unreachable) = (Vec::new(), Vec::new());
    for AgentAnswers { node, answer } in asked {
        match answer {
            Ok(answer) => found.push((node, answer)),
            Err(error) => unreachable.push(format!("node {node}: {error:#}")),
        }
    }
    (found, unreachable)
}

fn flat<T>(found: Vec<(String, Vec<T>)>) -> Vec<OnNode<T>> {
    found
        .into_iter()
        .flat_map(|(node, all)| all.into_iter().map(move |what| OnNode { node: node.clone(), what }))
        .collect()
}

/// What is known was printed; that something is not must not be overlooked.
fn complain(unreachable: &[String]) -> Result<()> {
    if unreachable.is_empty() { Ok(()) } else { bail!("{}", unreachable.join("\n")) }
}
