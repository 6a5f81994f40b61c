//! Watched objects, and the events about them.

use api::{EntropyClass, EntropyPool};
use kube::Resource;
use kube::core::DeserializeGuard;

use super::kubevirt::{KubeVirt, Plugin};
use super::partial::{PartialAgentPod, PartialCsiDriver, PartialNamespace, PartialNode, PartialPod};

/// An event of one kind.
#[derive(Clone, Debug)]
pub enum ReflectorEvent<K> {
    /// All objects, as of a version; an object that is not among them was deleted.
    Listed(Vec<K>, u64),
    /// An object was created or changed.
    Applied(K),
    Deleted(K),
    /// Nothing has changed up to this version.
    Reached(u64),
    /// The connection was lost; the known objects may be out of date.
    Lost,
}

/// An object that can be watched.
pub trait WatchedObject: Resource<DynamicType = ()> {
    /// The name; empty if there is none, which no API server sends.
    fn named(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// The version at which the object was written; 0 if it cannot be compared.
    fn version(&self) -> u64 {
        self.meta().resource_version.as_deref().map_or(0, parse_version)
    }
}

impl WatchedObject for PartialNode {}
impl WatchedObject for PartialNamespace {}
impl WatchedObject for PartialPod {}
impl WatchedObject for PartialCsiDriver {}
impl WatchedObject for KubeVirt {}
impl WatchedObject for Plugin {}
impl WatchedObject for PartialAgentPod {}
impl WatchedObject for EntropyPool {}
impl WatchedObject for EntropyClass {}
impl<K: Resource<DynamicType = ()>> WatchedObject for DeserializeGuard<K> {}

/// A resource version as a number, which Kubernetes allows clients to compare; 0 for anything else.
pub(super) fn parse_version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}
