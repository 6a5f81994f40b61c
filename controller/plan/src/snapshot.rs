//! The input of a plan.

use std::collections::BTreeMap;

use api::names::NAMESPACE_NAME_LABEL;
use api::{EntropyClass, EntropyPool};

/// Labels of a node or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The label with a node's name.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// Everything that a plan depends on, at one moment. The order of the lists does not matter; names are unique
/// within a kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterSnapshot {
    /// All pools, with their accepted specs in `status.accepted`.
    pub pools: Vec<EntropyPool>,
    /// All classes, likewise.
    pub classes: Vec<EntropyClass>,
    /// All namespaces, by name. Selectors are matched against these alone.
    pub namespaces: BTreeMap<String, Labels>,
    /// All nodes that run an agent, by name.
    pub nodes: BTreeMap<String, ClusterNode>,
    /// Whether the `CSIDriver` has `podInfoOnMount`; `None` if that is unknown, as on a host without Kubernetes.
    pub pod_info_on_mount: Option<bool>,
}

/// What a plan needs to know of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterNode {
    pub labels: Labels,
}

impl ClusterSnapshot {
    /// One host without Kubernetes: a single node named `host`, labelled with its name, and the namespaces of its
    /// VMs, whose only label is their name. No selector matches a namespace that is not in the list, so a host
    /// plans again when a VM of a new namespace is attached.
    pub fn of_host<N: Into<String>>(
        host: &str,
        pools: Vec<EntropyPool>,
        classes: Vec<EntropyClass>,
        namespaces: impl IntoIterator<Item = N>,
    ) -> Self {
        let labels = Labels::from([(HOSTNAME_LABEL.to_owned(), host.to_owned())]);
        let named = |name: String| {
            let labels = Labels::from([(NAMESPACE_NAME_LABEL.to_owned(), name.clone())]);
            (name, labels)
        };
        Self {
            pools,
            classes,
            namespaces: namespaces.into_iter().map(Into::into).map(named).collect(),
            nodes: BTreeMap::from([(host.to_owned(), ClusterNode { labels })]),
            pod_info_on_mount: None,
        }
    }
}
