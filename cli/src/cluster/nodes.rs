//! `nodes`: where VMs may draw, and how many more.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use api::names::AGENT_LABEL;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::args::Format;
use crate::output;
use crate::render::Table;

/// What the places of a class are called among a node's resources.
const RESOURCE: &str = "entropool.io/";

/// A node with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NodeRow {
    name: String,
    agent: String,
    /// How many VMs of each class it takes in all.
    places: BTreeMap<String, String>,
}

/// Prints them.
pub(super) async fn nodes(client: &Client, output: Format) -> Result<()> {
    let api = Api::<Node>::all(client.clone());
    let found = api.list(&ListParams::default().labels(AGENT_LABEL)).await.context("cannot list nodes")?;
    let rows: Vec<_> = found.items.iter().filter_map(row).collect();
    match output {
        Format::Table => output::text(&table(&rows)),
        Format::Json => output::json(&json!({ "nodes": rows })),
    }
}

fn row(node: &Node) -> Option<NodeRow> {
    let agent = node.labels().get(AGENT_LABEL)?.clone();
    let resources = node.status.iter().flat_map(|status| &status.allocatable).flatten();
    let place = |(name, quantity): (&String, &Quantity)| {
        Some((name.strip_prefix(RESOURCE)?.to_owned(), quantity.0.clone()))
    };
    Some(NodeRow { name: node.name_any(), agent, places: resources.filter_map(place).collect() })
}

fn table(rows: &[NodeRow]) -> String {
    let mut table = Table::new(&["NAME", "AGENT", "SLOTS"]);
    for row in rows {
        let places: Vec<_> = row.places.iter().map(|(class, count)| format!("{class} {count}")).collect();
        table.row([row.name.clone(), row.agent.clone(), places.join(", ")]);
    }
    table.or("No node has an agent: install the chart, and look at its pods.")
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
    fn a_node_is_told_with_its_agent_and_the_places_of_its_classes() {
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
    fn no_node_is_a_sentence() {
        assert!(table(&[]).starts_with("No node has an agent"));
    }
}
