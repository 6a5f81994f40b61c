//! The Events that follow from the nodes' reports: about the node itself, or about the pool or class of orphaned VMs.

use std::collections::BTreeMap;

use api::{EntropyClass, EntropyPool};
use delivery::ClassConfig;
use k8s_openapi::api::core::v1::{Node, ObjectReference};
use kube::Resource;
use plan::NodeReports;

use super::condition_events::ConditionEvent;
use crate::store::Store;

/// The object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventObject {
    Node(String),
    Pool(String),
    Class(String),
}

/// The Events due now, by object and reason: another message for the same reason is no other Event.
pub(super) type NodeEvents = BTreeMap<(EventObject, String), ConditionEvent>;

pub(super) fn node_events(node_reports: &NodeReports, store: &Store) -> NodeEvents {
    let of_nodes = node_reports.iter().flat_map(|(node, report)| {
        report.conditions.values().map(move |condition| {
            let event = ConditionEvent::warning(&condition.reason, &condition.message);
            ((EventObject::Node(node.clone()), event.reason.clone()), event)
        })
    });
    let object_of = |pool: &str, class: &str| match store.pool(pool) {
        Some(_) if class != ClassConfig::IMPLICIT => EventObject::Class(class.to_owned()),
        // All classes of a deleted pool share one Event about the pool.
        _ => EventObject::Pool(pool.to_owned()),
    };
    let orphaned = plan::orphaned(node_reports, object_of).into_iter().map(|(object, orphaned)| {
        let note = format!(
            "{orphaned} still attached, although the object was deleted or no longer allows the namespace: each VM keeps what \
             it had until it stops, or until `kubectl entropool detach` detaches it"
        );
        let event = ConditionEvent::warning("Orphaned", &note);
        ((object, event.reason.clone()), event)
    });
    of_nodes.chain(orphaned).collect()
}

impl EventObject {
    /// The reference for an Event. A deleted object still has a name.
    pub(super) fn reference(&self, store: &Store) -> ObjectReference {
        match self {
            // The kubelet's own Events about a node have its name as the uid, and ours are shown beside them.
            Self::Node(name) => ObjectReference { uid: Some(name.clone()), ..reference::<Node>(name) },
            Self::Pool(name) => {
                store.pool(name).map_or_else(|| reference::<EntropyPool>(name), |it| it.object_ref(&()))
            }
            Self::Class(name) => {
                store.class(name).map_or_else(|| reference::<EntropyClass>(name), |it| it.object_ref(&()))
            }
        }
    }
}

/// A reference to an object of which only the name is known.
pub(crate) fn reference<K: Resource<DynamicType = ()>>(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use plan::{NodeCondition, NodeReport};

    use super::*;

    fn events_of(report: NodeReport, store: &Store) -> Vec<(EventObject, String, String)> {
        let node_reports = [("n1".to_owned(), report)].into();
        let all = node_events(&node_reports, store).into_iter();
        all.map(|((object, reason), event)| (object, reason, event.note)).collect()
    }

    #[test]
    fn a_node_s_conditions_are_events_about_the_node() {
        let condition =
            NodeCondition { reason: "NotRegistered".to_owned(), message: "the kubelet has not".to_owned() };
        let report =
            NodeReport { conditions: [("Unready".to_owned(), condition)].into(), ..NodeReport::default() };
        let expected = (
            EventObject::Node("n1".to_owned()),
            "NotRegistered".to_owned(),
            "the kubelet has not".to_owned(),
        );
        assert_eq!(events_of(report, &Store::default()), [expected]);
    }

    #[test]
    fn orphaned_vms_of_a_deleted_pool_are_one_event_about_the_pool() {
        let key = |class: &str| ("gone".to_owned(), class.to_owned());
        let report =
            NodeReport { orphaned: [(key("gold"), 1), (key("paid"), 2)].into(), ..NodeReport::default() };
        let events = events_of(report, &Store::default());
        let [(EventObject::Pool(pool), reason, note)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((&**pool, &**reason), ("gone", "Orphaned"));
        assert!(note.starts_with("3 VMs on 1 node (n1) still attached, although"), "{note}");
    }
}
