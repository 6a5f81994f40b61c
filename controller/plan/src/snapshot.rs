//! All that a plan is made from.

use std::collections::BTreeMap;

use api::names::NAMESPACE_NAME_LABEL;
use api::{EntropyClass, EntropyPool};

/// Labels of a node or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The label of a node that holds its name.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// Everything a plan depends on, at one moment. The order of the lists does not matter; within a kind, names
/// are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All pools, with what was accepted of them in `status.accepted`.
    pub pools: Vec<EntropyPool>,
    /// All classes, likewise.
    pub classes: Vec<EntropyClass>,
    /// All namespaces, by name. Selectors are resolved against these alone.
    pub namespaces: BTreeMap<String, Labels>,
    /// All nodes that run an agent, by name.
    pub nodes: BTreeMap<String, Node>,
    /// Whether the `CSIDriver` has `podInfoOnMount`; `None` where nobody has looked, as on a host without Kubernetes.
    pub pod_info_on_mount: Option<bool>,
}

/// What a plan needs to know of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its labels, which `nodeSelector`s ask for.
    pub labels: Labels,
}

impl Snapshot {
    /// One host without Kubernetes: a single node called `host`, labelled with its name, and the namespaces of
    /// its VMs, whose only label is their name. A namespace that is not in the list is in no selector, so a
    /// host plans again when a VM of a new namespace comes.
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
            nodes: BTreeMap::from([(host.to_owned(), Node { labels })]),
            pod_info_on_mount: None,
        }
    }
}
