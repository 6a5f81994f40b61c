//! `nodes`: the nodes with an agent, and their slots.

use std::collections::BTreeMap;

use anyhow::Result;
use api::names::AGENT_LABEL;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::json;

use super::api_error::ApiError;
use crate::args::Format;
use crate::output::{self, Table};

/// The prefix of the extended resource of a class.
const RESOURCE_PREFIX: &str = "entropool.io/";

/// A node with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NodeRow {
    name: String,
    agent: String,
    /// How many VMs of each class it takes in total.
    slots: BTreeMap<String, String>,
}

pub(super) async fn nodes(client: &Client, output: Format) -> Result<()> {
    let api = Api::<Node>::all(client.clone());
    let found = api.list(&ListParams::default().labels(AGENT_LABEL)).await;
    let found = found.map_err(|error| ApiError::new("list nodes", error))?;
    let rows: Vec<_> = found.items.iter().filter_map(row).collect();
    match output {
        Format::Table => output::print(&table(&rows)),
        Format::Json => output::print_json(&json!({ "nodes": rows })),
    }
}

fn row(node: &Node) -> Option<NodeRow> {
    let agent = node.labels().get(AGENT_LABEL)?.clone();
    let resources = node.status.iter().flat_map(|status| &status.allocatable).flatten();
    let slot = |(name, quantity): (&String, &Quantity)| {
        Some((name.strip_prefix(RESOURCE_PREFIX)?.to_owned(), quantity.0.clone()))
    };
    Some(NodeRow { name: node.name_any(), agent, slots: resources.filter_map(slot).collect() })
}

fn table(rows: &[NodeRow]) -> String {
    let mut table = Table::new(&["NAME", "AGENT", "SLOTS"]);
    for row in rows {
        let slots: Vec<_> = row.slots.iter().map(|(class, count)| format!("{class} {count}")).collect();
        table.row([row.name.clone(), row.agent.clone(), slots.join(", ")]);
    }
    table.or("No node has an agent: install the chart, and check the pods of entropool-agent.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(name: &str, labels: &serde_json::Value, allocatable: &serde_json::Value) -> Node {
        let node =
            json!({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}});
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn node_has_its_agent_and_the_slots_of_its_classes() {
        let nodes = [
            node(
                "n1",
                &json!({"entropool.io/agent": "ready"}),
                &json!({"cpu": "4", "entropool.io/gold": "12", "entropool.io/paid": "40"}),
            ),
            node("n2", &json!({"entropool.io/agent": "away"}), &json!({"cpu": "4"})),
            node("n3", &json!({}), &json!({"cpu": "4"})),
        ];
        let rows: Vec<_> = nodes.iter().filter_map(row).collect();
        assert_eq!(table(&rows), "NAME   AGENT   SLOTS\nn1     ready   gold 12, paid 40\nn2     away\n");
    }

    #[test]
    fn without_nodes_there_is_a_sentence() {
        assert!(table(&[]).starts_with("No node has an agent"));
    }
}
