//! The commands that call the nodes' agents.

use std::collections::BTreeMap;

use anyhow::Result;
use kube::Client;
use proto::local::{ListVmsRequest, Source, Vm};
use serde::Serialize;
use serde_json::json;

use super::agents::{AgentAccess, AgentResponse, Agents};
use super::args::{AgentSelection, ClusterGlobal, DetachArgs, VmName};
use super::listing::{Listing, fail};
use super::pods::{self, FoundPod};
use super::{confirm, events};
use crate::args::TopArgs;
use crate::client::DaemonClient;
use crate::output::{self, Layout, Table};
use crate::{retest, top};

/// The reasons of Events.
const DETACHED_REASON: &str = "Detached";
const MOVED_REASON: &str = "Moved";

/// An item of a JSON document, with its node.
#[derive(Serialize)]
struct OnNode<T> {
    node: String,
    #[serde(flatten)]
    item: T,
}

/// Lists the attached VMs, or only those that wait.
pub(super) async fn vms(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    waiting: bool,
    layout: Layout,
) -> Result<Listing> {
    let pool = selection.pool.clone().unwrap_or_default();
    let request = ListVmsRequest { pool, class: String::new(), waiting };
    let responses = call(client, global, selection, async |mut daemon: DaemonClient| {
        Ok(daemon.vms(request.clone()).await?.vms)
    })
    .await?;
    let names = pods::names(client).await;
    let (mut found, errors) = split(responses);
    let namespace = global.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
    if !global.all_namespaces {
        found.iter_mut().for_each(|(_, vms)| vms.retain(|vm| vm.namespace == namespace));
    }
    let none = |sentence: &str| {
        if global.all_namespaces {
            sentence.to_owned()
        } else {
            format!("{sentence} (namespace {namespace}; -A lists all)")
        }
    };
    found.iter_mut().flat_map(|(_, vms)| vms).for_each(|vm| set_pod_name(vm, &names));
    let tables = found.iter().map(|(node, vms)| {
        (node.clone(), if waiting { output::waiting_table(vms) } else { output::vms_table(vms) })
    });
    let none = none(if waiting { output::NO_VMS_WAIT } else { output::NO_VMS });
    let text = Table::joined("NODE", tables).or(&none, layout);
    let names =
        found.iter().flat_map(|(_, vms)| vms).map(|vm| format!("{}/{}", vm.namespace, vm.name)).collect();
    Ok(Listing { text, document: json!({ "vms": flat(found) }), names, errors })
}

/// Lists the sources of the pools.
pub(super) async fn sources(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    layout: Layout,
) -> Result<Listing> {
    let wanted = |source: &Source| selection.pool.as_ref().is_none_or(|pool| *pool == source.pool);
    let responses = call(client, global, selection, async |mut daemon: DaemonClient| {
        Ok(daemon.sources().await?.sources.into_iter().filter(wanted).collect::<Vec<_>>())
    })
    .await?;
    let (found, errors) = split(responses);
    let tables = found.iter().map(|(node, sources)| (node.clone(), output::sources_table(sources)));
    let below = found.iter().flat_map(why_not_healthy);
    let below = below.map(|line| format!("\n{}", output::wrapped(&line, layout.width, 0)));
    let text = Table::joined("NODE", tables).or(output::NO_SOURCES, layout) + &below.collect::<String>();
    let names =
        found.iter().flat_map(|(_, sources)| sources).map(|it| format!("{}/{}", it.pool, it.name)).collect();
    Ok(Listing { text, document: json!({ "sources": flat(found) }), names, errors })
}

/// Retests a source on the nodes that have it.
pub(super) async fn retest(
    client: &Client,
    global: &ClusterGlobal,
    selection: &AgentSelection,
    name: &str,
    wait: bool,
) -> Result<()> {
    let agents = Agents::find(client, &global.system_namespace, &selection.nodes).await?;
    agents.check_not_empty()?;
    let retest = async |mut daemon: DaemonClient| retest::retest(&mut daemon, name, wait).await;
    let responses = agents.call(AgentAccess::Change, retest).await;
    let (retested, errors) = split(responses);
    // Not every node has every source.
    if retested.is_empty() {
        return fail(&errors);
    }
    let verdicts = flat(retested);
    let lines = || verdicts.iter().map(|OnNode { node, item }| format!("{node}: {item}\n")).collect();
    output::show(global.output.plain(), &json!({ "sources": verdicts }), |_| lines())?;
    retest::all_passed(verdicts.iter().map(|verdict| &verdict.item))
}

/// Why sources are not healthy, each sentence with its node.
fn why_not_healthy((node, sources): &(String, Vec<Source>)) -> Vec<String> {
    output::why_not_healthy(sources).map(|sentence| format!("{node}: {sentence}")).collect()
}

/// Shows the tree of one node.
pub(super) async fn top(client: &Client, global: &ClusterGlobal, node: &str, args: &TopArgs) -> Result<()> {
    let agents = Agents::find(client, &global.system_namespace, &[node.to_owned()]).await?;
    top::watch(agents.connect_to(node, AgentAccess::Look).await?, global.output.plain(), args).await
}

pub(super) async fn explain(client: &Client, global: &ClusterGlobal, name: &VmName) -> Result<()> {
    let (found, mut daemon) = connect(client, global, name, AgentAccess::Look).await?;
    let mut explanation = daemon.explain(&found.uid).await?;
    if let Some(vm) = &mut explanation.vm {
        vm.name.clone_from(&found.name);
    }
    if let Some(leaf) = explanation.path.iter_mut().find(|step| step.name == found.uid) {
        leaf.name.clone_from(&found.name);
    }
    let explanation = OnNode { node: found.node, item: explanation };
    output::show(global.output.plain(), &explanation, |layout| output::explain(&explanation.item, layout))
}

/// Detaches a VM, after a question.
pub(super) async fn detach(client: &Client, global: &ClusterGlobal, args: &DetachArgs) -> Result<()> {
    let (found, mut daemon) = connect(client, global, &args.vm, AgentAccess::Change).await?;
    let FoundPod { name, pod, node, .. } = &found;
    confirm::ask(
        args.yes,
        &format!(
            "This detaches {name} (pod {pod} on node {node}): nothing attaches it again before its pod is replaced."
        ),
    )?;
    daemon.detach(&found.uid).await?;
    events::record(
        client,
        &found,
        DETACHED_REASON,
        "Detach",
        format!("detached from its pool on node {node}"),
    )
    .await;
    done(
        global,
        &format!("{name} detached on node {node}"),
        json!({ "name": name, "pod": pod, "node": node }),
    )
}

/// Moves a VM to another class.
pub(super) async fn move_vm(client: &Client, global: &ClusterGlobal, vm: &VmName, class: &str) -> Result<()> {
    let found = pods::find(client, global.namespace.as_deref(), &vm.vm).await?;
    let FoundPod { name, pod, node, .. } = &found;
    let from = found.class.as_deref().unwrap_or("the pool's default class");
    pods::move_vm(client, &found, class).await?;
    events::record(client, &found, MOVED_REASON, "Move", format!("moved from {from} to class {class}")).await;
    let moved = json!({ "name": name, "pod": pod, "node": node, "from": found.class, "class": class });
    done(global, &format!("{name} moved from {from} to {class} on node {node}"), moved)
}

fn done(global: &ClusterGlobal, line: &str, document: serde_json::Value) -> Result<()> {
    output::show(global.output.plain(), &document, |_| format!("{line}\n"))
}

/// Finds a VM's pod, and connects to the agent of its node.
async fn connect(
    client: &Client,
    global: &ClusterGlobal,
    name: &VmName,
    access: AgentAccess,
) -> Result<(FoundPod, DaemonClient)> {
    let found = pods::find(client, global.namespace.as_deref(), &name.vm).await?;
    let agents = Agents::find(client, &global.system_namespace, std::slice::from_ref(&found.node)).await?;
    let daemon = agents.connect_to(&found.node, access).await?;
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
    Ok(agents.call(AgentAccess::Look, request).await)
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
