//! What nodes say that is an Event of some object: of the node itself, or of the pool or class that VMs outlive.

use std::collections::BTreeMap;

use api::{EntropyClass, EntropyPool};
use delivery::ClassConfig;
use k8s_openapi::api::core::v1::{Node, ObjectReference};
use kube::Resource;
use plan::NodeReports;

use super::condition_events::ConditionEvent;
use crate::store::Store;

/// Of what it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventObject {
    Node(String),
    Pool(String),
    Class(String),
}

/// What holds, by the object and the word: the same is told once, however its sentence changes.
pub(super) type NodeEvents = BTreeMap<(EventObject, String), ConditionEvent>;

/// All that holds now.
pub(super) fn tidings(fleet: &NodeReports, index: &Store) -> NodeEvents {
    let of_nodes = fleet.iter().flat_map(|(node, report)| {
        report.conditions.values().map(move |condition| {
            let news = ConditionEvent::warning(&condition.reason, &condition.message);
            ((EventObject::Node(node.clone()), news.reason.clone()), news)
        })
    });
    let of = |pool: &str, class: &str| match index.pool(pool) {
        Some(_) if class != ClassConfig::IMPLICIT => EventObject::Class(class.to_owned()),
        // Where the pool is gone, its classes are told of in one sentence.
        _ => EventObject::Pool(pool.to_owned()),
    };
    let orphaned = plan::orphaned(fleet, of).into_iter().map(|(object, all)| {
        let note = format!(
            "{all} orphaned it, or their namespaces' right to it: each draws on with what it had until it goes, or `kubectl \
             entropool detach` cuts it off"
        );
        let news = ConditionEvent::warning("Orphaned", &note);
        ((object, news.reason.clone()), news)
    });
    of_nodes.chain(orphaned).collect()
}

impl EventObject {
    /// As an Event names it. What is deleted has a name still.
    pub(super) fn reference(&self, index: &Store) -> ObjectReference {
        match self {
            // The kubelet's Events of a node, beside which it is shown, have its name for a uid.
            Self::Node(name) => ObjectReference { uid: Some(name.clone()), ..reference::<Node>(name) },
            Self::Pool(name) => {
                index.pool(name).map_or_else(|| reference::<EntropyPool>(name), |it| it.object_ref(&()))
            }
            Self::Class(name) => {
                index.class(name).map_or_else(|| reference::<EntropyClass>(name), |it| it.object_ref(&()))
            }
        }
    }
}

/// An object of which nothing is known but its name.
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

    fn told(report: NodeReport, index: &Store) -> Vec<(EventObject, String, String)> {
        let fleet = [("n1".to_owned(), report)].into();
        let all = tidings(&fleet, index).into_iter();
        all.map(|((object, reason), news)| (object, reason, news.note)).collect()
    }

    #[test]
    fn a_node_s_conditions_are_told_of_the_node() {
        let condition =
            NodeCondition { reason: "NotRegistered".to_owned(), message: "the kubelet has not".to_owned() };
        let report =
            NodeReport { conditions: [("Unready".to_owned(), condition)].into(), ..NodeReport::default() };
        let expected = (
            EventObject::Node("n1".to_owned()),
            "NotRegistered".to_owned(),
            "the kubelet has not".to_owned(),
        );
        assert_eq!(told(report, &Store::default()), [expected]);
    }

    #[test]
    fn vms_of_a_pool_that_is_gone_are_told_of_that_pool_whatever_their_classes_are() {
        let key = |class: &str| ("gone".to_owned(), class.to_owned());
        let report =
            NodeReport { orphaned: [(key("gold"), 1), (key("paid"), 2)].into(), ..NodeReport::default() };
        let told = told(report, &Store::default());
        let [(EventObject::Pool(pool), reason, note)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&**pool, &**reason), ("gone", "Orphaned"));
        assert!(note.starts_with("3 VMs on 1 node (n1) orphaned it, or"), "{note}");
    }
}
