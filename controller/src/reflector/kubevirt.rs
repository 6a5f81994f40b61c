//! `KubeVirt`'s own kinds, as far as the injection method depends on them.

use std::borrow::Cow;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// The installation of `KubeVirt`; there is one in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct KubeVirt {
    pub metadata: ObjectMeta,
    /// Contains the feature gates.
    #[serde(default)]
    pub spec: Value,
    /// Contains the running version.
    #[serde(default)]
    pub status: Value,
}

/// An object by which `KubeVirt` changes domains.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Plugin {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: Value,
}

/// Implements `Resource` with the kind's API group, version and plural.
macro_rules! resource {
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

resource!(KubeVirt, NamespaceResourceScope, "kubevirt.io", "v1", "kubevirts");
resource!(Plugin, ClusterResourceScope, "plugin.kubevirt.io", "v1alpha1", "plugins");
