//! What a watch tells.

use api::{EntropyClass, EntropyPool};
use kube::Resource;
use kube::core::DeserializeGuard;

/// News of one kind.
#[derive(Clone, Debug)]
pub enum ReflectorEvent<K> {
    /// All objects there are, as of a version: what is not among them is gone.
    Listed(Vec<K>, u64),
    /// An object came or changed.
    Applied(K),
    /// An object went.
    Deleted(K),
    /// Nothing changed up to this version.
    Reached(u64),
    /// The connection ended; what is known may grow old.
    Lost,
}

/// An object that a watch may bring.
pub trait Object: Resource<DynamicType = ()> {
    /// Its name; empty for none, which no API server sends.
    fn named(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// The version at which it was written; 0 if it has none that can be compared.
    fn version(&self) -> u64 {
        self.meta().resource_version.as_deref().map_or(0, version)
    }
}

impl Object for super::PartialNode {}
impl Object for super::PartialNamespace {}
impl Object for super::PartialPod {}
impl Object for super::PartialCsiDriver {}
impl Object for super::KubeVirt {}
impl Object for super::Plugin {}
impl Object for super::PartialAgentPod {}
impl Object for EntropyPool {}
impl Object for EntropyClass {}
impl<K: Resource<DynamicType = ()>> Object for DeserializeGuard<K> {}

/// A resource version as the number it is since Kubernetes lets clients compare them; 0 for anything else.
pub(super) fn version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}
