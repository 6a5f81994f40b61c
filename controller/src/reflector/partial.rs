//! Partial objects: the fields that the controller does not need are dropped while an object is decoded.

use std::collections::BTreeMap;

use api::names::{CLASS_ANNOTATION, RESOURCE_PREFIX};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

/// A node: its labels and our extended resources.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNode {
    #[serde(deserialize_with = "with_labels")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: PartialNodeStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNodeStatus {
    /// The slots of classes, by extended resource.
    #[serde(default, deserialize_with = "our_resources")]
    pub capacity: BTreeMap<String, String>,
}

/// A namespace: its labels.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialNamespace {
    #[serde(deserialize_with = "with_labels")]
    pub metadata: ObjectMeta,
}

/// A pod that our webhook labelled: its uid, its class as its only annotation, and the slots that it asks for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialPod {
    #[serde(deserialize_with = "with_class")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PartialPodSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PartialPodSpec {
    pub containers: Vec<PartialContainer>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PartialContainer {
    pub resources: PartialResources,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PartialResources {
    /// The slots of classes, by extended resource.
    #[serde(deserialize_with = "our_resources")]
    pub requests: BTreeMap<String, String>,
}

/// An agent's pod: its uid, node and service account.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialAgentPod {
    #[serde(deserialize_with = "without_labels")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PartialAgentPodSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialAgentPodSpec {
    /// Empty until the pod is bound.
    #[serde(default)]
    pub node_name: String,
    #[serde(default)]
    pub service_account_name: String,
}

/// A CSI driver: whether the kubelet passes it information about pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct PartialCsiDriver {
    #[serde(deserialize_with = "with_labels")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PartialCsiDriverSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartialCsiDriverSpec {
    pub pod_info_on_mount: bool,
}

/// The fields of metadata that are decoded.
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

fn with_labels<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
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

fn without_labels<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    Ok(ObjectMeta { labels: None, ..with_labels(from)? })
}

fn with_class<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
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

fn our_resources<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut all = BTreeMap::<String, String>::deserialize(from)?;
    all.retain(|name, _| name.starts_with(RESOURCE_PREFIX));
    Ok(all)
}

/// Implements `Resource` for a partial type, with the kind of the whole one.
macro_rules! partial_of {
    ($partial:ty, $whole:ty, $scope:ty, metadata: $metadata:literal) => {
        impl Resource for $partial {
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

partial_of!(PartialNode, Node, ClusterResourceScope, metadata: false);
partial_of!(PartialNamespace, Namespace, ClusterResourceScope, metadata: true);
partial_of!(PartialCsiDriver, CSIDriver, ClusterResourceScope, metadata: false);
// What a pod asks for is in its spec.
partial_of!(PartialPod, Pod, k8s_openapi::NamespaceResourceScope, metadata: false);
partial_of!(PartialAgentPod, Pod, k8s_openapi::NamespaceResourceScope, metadata: false);

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
    fn a_pod_keeps_its_uid_its_class_and_its_slots_alone() {
        let whole = json!({
            "metadata": {"name": "virt-launcher-x", "namespace": "shop", "uid": "u", "labels": {"a": "b"},
                         "annotations": {"entropool.io/class": "gold", "secret": "no"}},
            "spec": {"containers": [
                {"name": "a", "resources": {"requests": {"cpu": "1", "entropool.io/gold": "1"}}}, {"name": "b"},
            ]},
        });
        let pod: PartialPod = serde_json::from_value(whole).unwrap();
        assert_eq!(pod.metadata.labels, None);
        let class = BTreeMap::from([(CLASS_ANNOTATION.to_owned(), "gold".to_owned())]);
        assert_eq!((pod.metadata.uid.unwrap(), pod.metadata.annotations.unwrap()), ("u".to_owned(), class));
        let slots = BTreeMap::from([("entropool.io/gold".to_owned(), "1".to_owned())]);
        let requests: Vec<_> =
            pod.spec.containers.into_iter().map(|container| container.resources.requests).collect();
        assert_eq!(requests, [slots, BTreeMap::new()]);
    }
}
