//! The desired label and slots of a node, and the patches that bring it there.

use std::collections::BTreeMap;

use api::names::{AGENT_LABEL, AGENT_READY};
use delivery::NodeConfig;
use plan::NodeReport;
use serde_json::{Map, Value, json};

use crate::store::StoredNode;

/// The label's value while the agent is connected and not ready.
const STARTING: &str = "starting";
/// The label's value while the agent is not connected. The node keeps serving, and still counts among those that use a
/// shared source.
const AWAY: &str = "away";

/// The change of the agent's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelChange {
    Unchanged,
    Set(&'static str),
    Removed,
}

/// How long a node has been disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disconnected {
    /// Not at all, or no longer than a restart takes.
    Briefly,
    /// Longer than a restart takes.
    Away,
    /// So long that no agent is expected, and the node has no agent's pod.
    Gone,
}

/// The desired label and slots of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DesiredNode {
    label: LabelChange,
    /// By extended resource. Until the node has reported, slots are removed only, not added or changed.
    slots: BTreeMap<String, u32>,
    reported: bool,
}

impl DesiredNode {
    /// A node that runs no agent.
    pub(crate) fn empty() -> Self {
        Self { label: LabelChange::Removed, slots: BTreeMap::new(), reported: true }
    }

    /// A node with this configuration, if it has one, and this report.
    pub(super) fn of(
        config: Option<&NodeConfig>,
        report: Option<&NodeReport>,
        disconnected: Disconnected,
    ) -> Self {
        let label = match (report, disconnected) {
            (Some(report), _) if report.connected => {
                LabelChange::Set(if report.ready { AGENT_READY } else { STARTING })
            }
            (_, Disconnected::Briefly) => LabelChange::Unchanged,
            (_, Disconnected::Away) => LabelChange::Set(AWAY),
            (_, Disconnected::Gone) => return Self::empty(),
        };
        let slots = config.map(|config| plan::extended_resources(config, report)).unwrap_or_default();
        Self { label, slots, reported: report.is_some() }
    }

    /// The patch of the node's metadata, if one is needed.
    pub(super) fn metadata(&self, node: &StoredNode) -> Option<Value> {
        let label = match self.label {
            LabelChange::Unchanged => return None,
            LabelChange::Set(label) => Some(label),
            LabelChange::Removed => None,
        };
        let differs = node.labels.get(AGENT_LABEL).map(String::as_str) != label;
        differs.then(|| json!({"metadata": {"labels": {AGENT_LABEL: label}}}))
    }

    /// The patch of the node's status, if one is needed.
    pub(super) fn status(&self, node: &StoredNode) -> Option<Value> {
        let removed = node.slots.keys().filter(|resource| !self.slots.contains_key(*resource));
        let removed = removed.map(|resource| (resource.clone(), Value::Null));
        let differs = self.slots.iter().filter(|(resource, count)| {
            self.reported && node.slots.get(*resource).and_then(|text| text.parse().ok()) != Some(**count)
        });
        let differs = differs.map(|(resource, count)| (resource.clone(), Value::String(count.to_string())));
        let changes: Map<String, Value> = removed.chain(differs).collect();
        // The kubelet would derive allocatable from capacity, but only at its next update.
        (!changes.is_empty()).then(|| json!({"status": {"capacity": changes, "allocatable": changes}}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(label: Option<&str>, slots: &[(&str, &str)]) -> StoredNode {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        StoredNode {
            labels: label.map(|label| (AGENT_LABEL.to_owned(), label.to_owned())).into_iter().collect(),
            slots: slots.iter().map(owned).collect(),
        }
    }

    fn desired(label: Option<&'static str>, slots: &[(&str, u32)], reported: bool) -> DesiredNode {
        let label = label.map_or(LabelChange::Unchanged, LabelChange::Set);
        let slots = slots.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        DesiredNode { label, slots, reported }
    }

    #[test]
    fn the_label_follows_the_agent_s_state() {
        let report = |connected, ready| NodeReport { connected, ready, ..NodeReport::default() };
        let label =
            |report: Option<&NodeReport>, disconnected| DesiredNode::of(None, report, disconnected).label;
        assert_eq!(label(Some(&report(true, true)), Disconnected::Briefly), LabelChange::Set("ready"));
        assert_eq!(label(Some(&report(true, false)), Disconnected::Briefly), LabelChange::Set("starting"));
        assert_eq!(label(Some(&report(false, true)), Disconnected::Briefly), LabelChange::Unchanged);
        assert_eq!(label(Some(&report(false, true)), Disconnected::Away), LabelChange::Set("away"));
        assert_eq!(label(None, Disconnected::Briefly), LabelChange::Unchanged);
        assert_eq!(label(None, Disconnected::Away), LabelChange::Set("away"));
        assert_eq!(label(Some(&report(false, true)), Disconnected::Gone), LabelChange::Removed);
    }

    #[test]
    fn a_node_without_an_agent_loses_label_and_slots_and_is_not_patched_again() {
        let patch = DesiredNode::empty().metadata(&node(Some("away"), &[])).expect("the label is removed");
        assert_eq!(patch["metadata"]["labels"], json!({AGENT_LABEL: null}));
        let patch = DesiredNode::empty().status(&node(None, &[("entropool.io/gold", "16")]));
        let patch = patch.expect("the slots are removed");
        assert_eq!(patch["status"]["capacity"], json!({"entropool.io/gold": null}));
        let clean = node(None, &[]);
        assert_eq!(
            (DesiredNode::empty().metadata(&clean), DesiredNode::empty().status(&clean)),
            (None, None)
        );
    }

    #[test]
    fn a_node_is_patched_only_where_it_differs() {
        let desired = desired(Some("ready"), &[("entropool.io/gold", 16)], true);
        let equal = node(Some("ready"), &[("entropool.io/gold", "16")]);
        assert_eq!((desired.metadata(&equal), desired.status(&equal)), (None, None));
        for changed in [node(None, &[]), node(Some("away"), &[("entropool.io/gold", "0")])] {
            assert!(desired.metadata(&changed).is_some());
            let patch = desired.status(&changed).expect("the slots are written");
            assert_eq!(patch["status"]["capacity"], json!({"entropool.io/gold": "16"}));
        }
    }

    #[test]
    fn slots_of_a_deleted_class_are_removed_even_before_the_node_has_reported() {
        let old = node(None, &[("entropool.io/gold", "16"), ("entropool.io/old", "3")]);
        let desired = desired(None, &[("entropool.io/gold", 20)], false);
        let patch = desired.status(&old).expect("one resource is removed");
        assert_eq!(patch["status"]["allocatable"], json!({"entropool.io/old": null}));
    }
}
