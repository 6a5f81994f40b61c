//! `KubeVirt`'s own kinds, as far as they decide how a VM's domain is changed.

use std::borrow::Cow;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// What is installed, and how: there is one in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct KubeVirt {
    /// Name and version.
    pub metadata: ObjectMeta,
    /// With the feature gates.
    #[serde(default)]
    pub spec: Value,
    /// With the version that runs.
    #[serde(default)]
    pub status: Value,
}

/// A change of every domain, or of some.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Plugin {
    /// Name and version.
    pub metadata: ObjectMeta,
    /// What is changed.
    #[serde(default)]
    pub spec: Value,
}

/// Where a kind is found.
macro_rules! found_at {
    ($kind:ident, $scope:ty, $group:literal, $version:literal, $plural:literal) => {
        impl Resource for $kind {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($kind).into()
            }
            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
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

found_at!(KubeVirt, NamespaceResourceScope, "kubevirt.io", "v1", "kubevirts");
found_at!(Plugin, ClusterResourceScope, "plugin.kubevirt.io", "v1alpha1", "plugins");
