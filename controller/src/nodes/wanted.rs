//! What a node should carry, and what must be written for that.

use std::collections::BTreeMap;

use api::names::{AGENT_LABEL, AGENT_READY};
use delivery::NodeConfig;
use plan::NodeReport;
use serde_json::{Map, Value, json};

use crate::index::SeenNode;

/// The label's value while an agent is there and takes no VM yet.
const STARTING: &str = "starting";
/// The label's value while the agent cannot be heard. The node goes on with what it has, and still counts among
/// those that use a shared source.
const AWAY: &str = "away";

/// What a node should carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The agent's label; nothing to leave it as it is.
    label: Option<&'static str>,
    /// Places by resource. Of a node that has not been heard, nothing is added or changed.
    places: BTreeMap<String, u32>,
    heard: bool,
}

impl Wanted {
    /// Of a node's configuration, if it has one, and its report; `away` if it has been silent for long.
    pub(super) fn of(config: Option<&NodeConfig>, report: Option<&NodeReport>, away: bool) -> Self {
        let label = match report {
            Some(report) if report.connected => Some(if report.ready { AGENT_READY } else { STARTING }),
            _ => away.then_some(AWAY),
        };
        let places = config.map(|config| plan::places(config, report)).unwrap_or_default();
        Self { label, places, heard: report.is_some() }
    }

    /// The patch of the node's metadata, if one is needed.
    pub(super) fn metadata(&self, seen: &SeenNode) -> Option<Value> {
        let label = self.label?;
        let differs = seen.labels.get(AGENT_LABEL).map(String::as_str) != Some(label);
        differs.then(|| json!({"metadata": {"labels": {AGENT_LABEL: label}}}))
    }

    /// The patch of the node's status, if one is needed.
    pub(super) fn status(&self, seen: &SeenNode) -> Option<Value> {
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

    fn seen(label: Option<&str>, places: &[(&str, &str)]) -> SeenNode {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        SeenNode {
            labels: label.map(|label| (AGENT_LABEL.to_owned(), label.to_owned())).into_iter().collect(),
            places: places.iter().map(owned).collect(),
        }
    }

    fn wanted(label: Option<&'static str>, places: &[(&str, u32)], heard: bool) -> Wanted {
        let places = places.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Wanted { label, places, heard }
    }

    #[test]
    fn a_node_is_ready_while_its_agent_says_so() {
        let report = |connected, ready| NodeReport { connected, ready, ..NodeReport::default() };
        let label = |report: Option<&NodeReport>, away| Wanted::of(None, report, away).label;
        assert_eq!(label(Some(&report(true, true)), false), Some("ready"));
        assert_eq!(label(Some(&report(true, false)), false), Some("starting"));
        assert_eq!(label(Some(&report(false, true)), false), None);
        assert_eq!(label(Some(&report(false, true)), true), Some("away"));
        assert_eq!(label(None, false), None);
        assert_eq!(label(None, true), Some("away"));
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
