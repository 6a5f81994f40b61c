//! Objects cut down while they are read: what the plan does not need is never kept.

use std::collections::BTreeMap;

use api::names::{CLASS_ANNOTATION, RESOURCE_PREFIX};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

/// A node with its labels and the resources that are ours.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNode {
    /// Name, labels and version.
    #[serde(deserialize_with = "labelled")]
    pub metadata: ObjectMeta,
    /// What it offers.
    #[serde(default)]
    pub status: PartialNodeStatus,
}

/// The part of a node's status that is ours.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNodeStatus {
    /// Places of classes, by resource name.
    #[serde(default, deserialize_with = "ours")]
    pub capacity: BTreeMap<String, String>,
}

/// A namespace with its labels.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNamespace {
    /// Name, labels and version.
    #[serde(deserialize_with = "labelled")]
    pub metadata: ObjectMeta,
}

/// A launcher pod: who it is and which class it shall be in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialPod {
    /// Name, uid, version and, of all annotations, the class.
    #[serde(deserialize_with = "classed")]
    pub metadata: ObjectMeta,
}

/// An agent's pod: where it is, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialAgentPod {
    /// Name, uid and version.
    #[serde(deserialize_with = "named")]
    pub metadata: ObjectMeta,
    /// Its node and its account.
    #[serde(default)]
    pub spec: PartialAgentPodSpec,
}

/// The part of a pod's spec that says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialAgentPodSpec {
    /// Empty until it is bound.
    #[serde(default)]
    pub node_name: String,
    /// The service account.
    #[serde(default)]
    pub service_account_name: String,
}

/// A CSI driver, and whether the kubelet tells it of pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialCsiDriver {
    /// Name and version.
    #[serde(deserialize_with = "labelled")]
    pub metadata: ObjectMeta,
    /// What the kubelet does for it.
    #[serde(default)]
    pub spec: PartialCsiDriverSpec,
}

/// The part of a driver's spec that says whose word a volume's attributes are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartialCsiDriverSpec {
    /// Absent: false.
    pub pod_info_on_mount: bool,
}

/// The fields of metadata that are kept; serde drops all others unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn labelled<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let meta = Meta::deserialize(from)?;
    let labels = Some(meta.labels).filter(|labels| !labels.is_empty());
    Ok(ObjectMeta {
        name: meta.name,
        uid: meta.uid,
        resource_version: meta.resource_version,
        labels,
        ..ObjectMeta::default()
    })
}

fn named<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    Ok(ObjectMeta { labels: None, ..labelled(from)? })
}

fn classed<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let mut meta = Meta::deserialize(from)?;
    let class = meta.annotations.remove_entry(CLASS_ANNOTATION);
    Ok(ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        annotations: class.map(|class| BTreeMap::from([class])),
        ..ObjectMeta::default()
    })
}

fn ours<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut all = BTreeMap::<String, String>::deserialize(from)?;
    all.retain(|name, _| name.starts_with(RESOURCE_PREFIX));
    Ok(all)
}

/// Lends a slim type the address of the kind it is cut from.
macro_rules! cut_from {
    ($slim:ty, $whole:ty, $scope:ty, metadata: $metadata:literal) => {
        impl Resource for $slim {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                <$whole as Resource>::kind(&())
            }
            fn group((): &()) -> std::borrow::Cow<'_, str> {
                <$whole as Resource>::group(&())
            }
            fn version((): &()) -> std::borrow::Cow<'_, str> {
                <$whole as Resource>::version(&())
            }
            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                <$whole as Resource>::plural(&())
            }
            fn metadata_api() -> bool {
                $metadata
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

cut_from!(PartialNode, Node, ClusterResourceScope, metadata: false);
cut_from!(PartialNamespace, Namespace, ClusterResourceScope, metadata: true);
cut_from!(PartialCsiDriver, CSIDriver, ClusterResourceScope, metadata: false);
cut_from!(PartialPod, Pod, k8s_openapi::NamespaceResourceScope, metadata: true);
cut_from!(PartialAgentPod, Pod, k8s_openapi::NamespaceResourceScope, metadata: false);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_keeps_its_labels_and_our_resources() {
        let whole = json!({
            "metadata": {"name": "n", "resourceVersion": "7", "labels": {"rack": "a"},
                         "annotations": {"big": "x"}, "managedFields": [{}]},
            "spec": {"podCIDR": "10.0.0.0/24"},
            "status": {"capacity": {"cpu": "2", "entropool.io/gold": "40"}, "images": [{"names": ["x"]}]},
        });
        let node: PartialNode = serde_json::from_value(whole).unwrap();
        assert_eq!(node.metadata.labels.unwrap(), BTreeMap::from([("rack".to_owned(), "a".to_owned())]));
        assert_eq!(node.metadata.annotations, None);
        assert_eq!(node.status.capacity, BTreeMap::from([("entropool.io/gold".to_owned(), "40".to_owned())]));
    }

    #[test]
    fn of_a_tenants_pod_only_its_uid_and_class_are_kept() {
        let whole = json!({
            "metadata": {"name": "virt-launcher-x", "namespace": "shop", "uid": "u", "labels": {"a": "b"},
                         "annotations": {"entropool.io/class": "gold", "secret": "no"}},
            "spec": {"containers": []},
        });
        let pod: PartialPod = serde_json::from_value(whole).unwrap();
        assert_eq!(pod.metadata.labels, None);
        let class = BTreeMap::from([(CLASS_ANNOTATION.to_owned(), "gold".to_owned())]);
        assert_eq!((pod.metadata.uid.unwrap(), pod.metadata.annotations.unwrap()), ("u".to_owned(), class));
    }
}
