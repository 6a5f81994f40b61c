//! The commands that call the nodes' agents.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use kube::Client;
use proto::local::{ListVmsRequest, Source, Vm};
use serde::Serialize;
use serde_json::json;

use super::agents::{AgentResponse, Agents};
use super::args::{AgentSelection, ClusterGlobal, VmName};
use super::pods::{self, FoundPod};
use crate::args::{Format, TopArgs};
use crate::client::DaemonClient;
use crate::output::{self, Table};
use crate::{retest, top};

/// An item of a JSON document, with its node.
#[derive(Serialize)]
struct OnNode<T> {
    node: String,
    #[serde(flatten)]
    item: T,
}

/// Prints the attached VMs, or only those that wait.
pub(super) async fn vms(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    waiting: bool,
) -> Result<()> {
    let pool = selection.pool.clone().unwrap_or_default();
    let request = ListVmsRequest { pool, class: String::new(), waiting };
    let responses = call(client, global, selection, async |mut daemon: DaemonClient| {
        Ok(daemon.vms(request.clone()).await?.vms)
    })
    .await?;
    let names = pods::names(client).await;
    let (mut found, errors) = split(responses);
    found.iter_mut().flat_map(|(_, vms)| vms).for_each(|vm| set_pod_name(vm, &names));
    match global.output {
        Format::Json => output::print_json(&json!({ "vms": flat(found) }))?,
        Format::Table if waiting => {
            let tables = found.iter().map(|(node, vms)| (node.clone(), output::waiting_table(vms)));
            output::print(&Table::joined("NODE", tables).or(output::NO_VMS_WAIT))?;
        }
        Format::Table => {
            let tables = found.iter().map(|(node, vms)| (node.clone(), output::vms_table(vms)));
            output::print(&Table::joined("NODE", tables).or(output::NO_VMS))?;
        }
    }
    fail(&errors)
}

/// Prints the sources of the pools.
pub(super) async fn sources(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
) -> Result<()> {
    let wanted = |source: &Source| selection.pool.as_ref().is_none_or(|pool| *pool == source.pool);
    let responses = call(client, global, selection, async |mut daemon: DaemonClient| {
        Ok(daemon.sources().await?.sources.into_iter().filter(wanted).collect::<Vec<_>>())
    })
    .await?;
    let (found, errors) = split(responses);
    match global.output {
        Format::Json => output::print_json(&json!({ "sources": flat(found) }))?,
        Format::Table => {
            let tables = found.iter().map(|(node, sources)| (node.clone(), output::sources_table(sources)));
            let table = Table::joined("NODE", tables).or(output::NO_SOURCES);
            output::print(&(table + &found.iter().map(why_not_healthy).collect::<String>()))?;
        }
    }
    fail(&errors)
}

/// Retests a source on the nodes that have it.
pub(super) async fn retest(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    name: &str,
    wait: bool,
) -> Result<()> {
    let responses = call(client, global, selection, async |mut daemon: DaemonClient| {
        retest::retest(&mut daemon, name, wait).await
    })
    .await?;
    let (retested, errors) = split(responses);
    // Not every node has every source.
    if retested.is_empty() {
        return fail(&errors);
    }
    let verdicts = flat(retested);
    match global.output {
        Format::Json if wait => output::print_json(&json!({ "sources": verdicts }))?,
        Format::Json => {}
        Format::Table => {
            let mut lines = verdicts.iter().map(|OnNode { node, item }| format!("{node}: {item}"));
            lines.try_for_each(|line| output::print_line(&line))?;
        }
    }
    retest::all_passed(verdicts.iter().map(|verdict| &verdict.item))
}

/// Why sources are not healthy, each sentence with its node.
fn why_not_healthy((node, sources): &(String, Vec<Source>)) -> String {
    let sentences = output::why_not_healthy(sources);
    sentences
        .lines()
        .filter(|line| !line.is_empty())
        .flat_map(|sentence| ["\n", node, ": ", sentence, "\n"])
        .collect()
}

/// Shows the tree of one node.
pub(super) async fn top(client: &Client, global: &ClusterGlobal, node: &str, args: &TopArgs) -> Result<()> {
    let agents = Agents::find(client, &global.system_namespace, &[node.to_owned()]).await?;
    top::watch(agents.connect_to(node).await?, global.output, args).await
}

pub(super) async fn explain(client: &Client, global: &ClusterGlobal, name: &VmName) -> Result<()> {
    let (found, mut daemon) = connect(client, global, name).await?;
    let mut explanation = daemon.explain(&found.uid).await?;
    if let Some(vm) = &mut explanation.vm {
        vm.name.clone_from(&found.pod);
    }
    if let Some(leaf) = explanation.path.iter_mut().find(|step| step.name == found.uid) {
        leaf.name.clone_from(&found.pod);
    }
    match global.output {
        Format::Table => output::print(&output::explain(&explanation)),
        Format::Json => output::print_json(&OnNode { node: found.node, item: explanation }),
    }
}

pub(super) async fn detach(client: &Client, global: &ClusterGlobal, name: &VmName) -> Result<()> {
    let (found, mut daemon) = connect(client, global, name).await?;
    Ok(daemon.detach(&found.uid).await?)
}

/// Finds a VM's pod, and connects to the agent of its node.
async fn connect(client: &Client, global: &ClusterGlobal, name: &VmName) -> Result<(FoundPod, DaemonClient)> {
    let found = pods::find(client, global.namespace.as_deref(), &name.vm).await?;
    let agents = Agents::find(client, &global.system_namespace, std::slice::from_ref(&found.node)).await?;
    let daemon = agents.connect_to(&found.node).await?;
    Ok((found, daemon))
}

async fn call<T>(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    request: impl AsyncFn(DaemonClient) -> Result<T>,
) -> Result<Vec<AgentResponse<T>>> {
    let agents = Agents::find(client, &global.system_namespace, &selection.nodes).await?;
    agents.check_not_empty()?;
    Ok(agents.call(request).await)
}

/// Replaces the UID of a pod, by which an agent knows it, by its name.
fn set_pod_name(vm: &mut Vm, names: &BTreeMap<String, String>) {
    if let Some(name) = names.get(&vm.name) {
        vm.name.clone_from(name);
    }
}

/// The responses, and the errors of the other nodes.
fn split<T>(responses: Vec<AgentResponse<T>>) -> (Vec<(String, T)>, Vec<String>) {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for AgentResponse { node, response } in responses {
        match response {
            Ok(response) => found.push((node, response)),
            Err(error) => errors.push(format!("node {node}: {error:#}")),
        }
    }
    (found, errors)
}

fn flat<T>(found: Vec<(String, Vec<T>)>) -> Vec<OnNode<T>> {
    found
        .into_iter()
        .flat_map(|(node, all)| all.into_iter().map(move |item| OnNode { node: node.clone(), item }))
        .collect()
}

/// Fails if a node did not answer, after what the others answered was printed.
fn fail(errors: &[String]) -> Result<()> {
    if errors.is_empty() { Ok(()) } else { bail!("{}", errors.join("\n")) }
}
