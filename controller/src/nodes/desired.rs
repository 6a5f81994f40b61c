//! What a node should carry, and what must be written for that.

use std::collections::BTreeMap;

use api::names::{AGENT_LABEL, AGENT_READY};
use delivery::NodeConfig;
use plan::NodeReport;
use serde_json::{Map, Value, json};

use crate::store::StoredNode;

/// The label's value while an agent is there and takes no VM yet.
const STARTING: &str = "starting";
/// The label's value while the agent cannot be heard. The node goes on with what it has, and still counts among
/// those that use a shared source.
const AWAY: &str = "away";

/// The agent's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelChange {
    /// As it is.
    Left,
    Set(&'static str),
    Taken,
}

/// How long ago a node was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Just now, or not long ago.
    Short,
    /// For longer than a restart takes.
    Away,
    /// For long, and no agent is on its way: the node has no pod of one.
    Gone,
}

/// What a node should carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DesiredNode {
    label: LabelChange,
    /// Places by resource. Of a node that has not been heard, nothing is added or changed.
    places: BTreeMap<String, u32>,
    heard: bool,
}

impl DesiredNode {
    /// What a node carries that runs no agent.
    pub(crate) fn nothing() -> Self {
        Self { label: LabelChange::Taken, places: BTreeMap::new(), heard: true }
    }

    /// Of a node's configuration, if it has one, and its report.
    pub(super) fn of(config: Option<&NodeConfig>, report: Option<&NodeReport>, silence: Silence) -> Self {
        let label = match (report, silence) {
            (Some(report), _) if report.connected => {
                LabelChange::Set(if report.ready { AGENT_READY } else { STARTING })
            }
            (_, Silence::Short) => LabelChange::Left,
            (_, Silence::Away) => LabelChange::Set(AWAY),
            (_, Silence::Gone) => return Self::nothing(),
        };
        let places = config.map(|config| plan::extended_resources(config, report)).unwrap_or_default();
        Self { label, places, heard: report.is_some() }
    }

    /// The patch of the node's metadata, if one is needed.
    pub(super) fn metadata(&self, seen: &StoredNode) -> Option<Value> {
        let label = match self.label {
            LabelChange::Left => return None,
            LabelChange::Set(label) => Some(label),
            LabelChange::Taken => None,
        };
        let differs = seen.labels.get(AGENT_LABEL).map(String::as_str) != label;
        differs.then(|| json!({"metadata": {"labels": {AGENT_LABEL: label}}}))
    }

    /// The patch of the node's status, if one is needed.
    pub(super) fn status(&self, seen: &StoredNode) -> Option<Value> {
        let gone = seen.places.keys().filter(|resource| !self.places.contains_key(*resource));
        let gone = gone.map(|resource| (resource.clone(), Value::Null));
        let differs = self.places.iter().filter(|(resource, count)| {
            self.heard && seen.places.get(*resource).and_then(|text| text.parse().ok()) != Some(**count)
        });
        let differs = differs.map(|(resource, count)| (resource.clone(), Value::String(count.to_string())));
        let changes: Map<String, Value> = gone.chain(differs).collect();
        // A kubelet derives what can be allocated from what there is, but only at its next turn.
        (!changes.is_empty()).then(|| json!({"status": {"capacity": changes, "allocatable": changes}}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(label: Option<&str>, places: &[(&str, &str)]) -> StoredNode {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        StoredNode {
            labels: label.map(|label| (AGENT_LABEL.to_owned(), label.to_owned())).into_iter().collect(),
            places: places.iter().map(owned).collect(),
        }
    }

    fn wanted(label: Option<&'static str>, places: &[(&str, u32)], heard: bool) -> DesiredNode {
        let label = label.map_or(LabelChange::Left, LabelChange::Set);
        let places = places.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        DesiredNode { label, places, heard }
    }

    #[test]
    fn a_node_is_ready_while_its_agent_says_so() {
        let report = |connected, ready| NodeReport { connected, ready, ..NodeReport::default() };
        let label = |report: Option<&NodeReport>, silence| DesiredNode::of(None, report, silence).label;
        assert_eq!(label(Some(&report(true, true)), Silence::Short), LabelChange::Set("ready"));
        assert_eq!(label(Some(&report(true, false)), Silence::Short), LabelChange::Set("starting"));
        assert_eq!(label(Some(&report(false, true)), Silence::Short), LabelChange::Left);
        assert_eq!(label(Some(&report(false, true)), Silence::Away), LabelChange::Set("away"));
        assert_eq!(label(None, Silence::Short), LabelChange::Left);
        assert_eq!(label(None, Silence::Away), LabelChange::Set("away"));
        assert_eq!(label(Some(&report(false, true)), Silence::Gone), LabelChange::Taken);
    }

    #[test]
    fn a_node_that_runs_no_agent_loses_label_and_places_and_is_left_alone_then() {
        let patch =
            DesiredNode::nothing().metadata(&seen(Some("away"), &[])).expect("the label is to be taken off");
        assert_eq!(patch["metadata"]["labels"], json!({AGENT_LABEL: null}));
        let patch = DesiredNode::nothing().status(&seen(None, &[("entropool.io/gold", "16")]));
        let patch = patch.expect("the place is to be taken away");
        assert_eq!(patch["status"]["capacity"], json!({"entropool.io/gold": null}));
        let clean = seen(None, &[]);
        assert_eq!(
            (DesiredNode::nothing().metadata(&clean), DesiredNode::nothing().status(&clean)),
            (None, None)
        );
    }

    #[test]
    fn only_what_differs_is_written_and_what_was_lost_is_written_again() {
        let wanted = wanted(Some("ready"), &[("entropool.io/gold", 16)], true);
        let right = seen(Some("ready"), &[("entropool.io/gold", "16")]);
        assert_eq!((wanted.metadata(&right), wanted.status(&right)), (None, None));
        for lost in [seen(None, &[]), seen(Some("away"), &[("entropool.io/gold", "0")])] {
            assert!(wanted.metadata(&lost).is_some());
            let patch = wanted.status(&lost).expect("the places are to be written");
            assert_eq!(patch["status"]["capacity"], json!({"entropool.io/gold": "16"}));
        }
    }

    #[test]
    fn places_of_a_class_that_is_gone_are_taken_away_also_where_nobody_was_heard() {
        let old = seen(None, &[("entropool.io/gold", "16"), ("entropool.io/old", "3")]);
        let silent = wanted(None, &[("entropool.io/gold", 20)], false);
        let patch = silent.status(&old).expect("one place is to be taken away");
        assert_eq!(patch["status"]["allocatable"], json!({"entropool.io/old": null}));
    }
}
