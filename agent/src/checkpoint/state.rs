//! What is kept.

use std::collections::BTreeMap;

use api::{Accepted, EntropyClassSpec, EntropyPoolSpec};
use dataplane::AttachRequest;
use serde::{Deserialize, Serialize};

use super::hex;

/// Everything a start needs to know of the time before. Equal states are the same bytes on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointState {
    /// `entropool run`: what each object's `status.accepted` would hold in a cluster.
    pub accepted: AcceptedSpecs,
    /// A node agent: the configuration that was last in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGood>,
    /// Pools and classes that are in force no more and stay for the VMs that they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphans: Option<LastGood>,
    /// VMs that were attached at run time, by id.
    pub vms: BTreeMap<String, SavedVm>,
    /// What was served since the host was set up.
    pub served: ServedTotals,
}

impl CheckpointState {
    /// Whether the two differ at most in what was served.
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        let parts = |state: &Self| {
            (state.accepted.clone(), state.last_good.clone(), state.orphans.clone(), state.vms.clone())
        };
        parts(self) == parts(other)
    }
}

/// The last accepted spec of every object, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AcceptedSpecs {
    /// Of each `EntropyPool`.
    pub pools: BTreeMap<String, Accepted<EntropyPoolSpec>>,
    /// Of each `EntropyClass`.
    pub classes: BTreeMap<String, Accepted<EntropyClassSpec>>,
}

/// A node's configuration as its sender encoded it. It is not looked into here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// Which encoding it is in; whoever does not know the number asks for a new configuration.
    pub encoding: u16,
    /// The encoded configuration.
    #[serde(with = "hex")]
    pub bytes: Vec<u8>,
}

/// A VM that was attached at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedVm {
    /// Whose it is.
    pub namespace: String,
    /// The pool it draws from.
    pub pool: String,
    /// The class it is in; `None`, in what a version before wrote, is the pool's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Who is at the other end of its socket.
    #[serde(default)]
    pub client: SavedClient,
}

/// Who is at the other end of a VM's socket: [`dataplane::Client`], as it is spelled on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SavedClient {
    /// QEMU, which takes bytes that it did not ask for.
    Qemu,
    /// Any EGD client.
    #[default]
    Egd,
}

impl SavedVm {
    /// What puts the VM back where it was.
    pub fn attach(&self, id: &str) -> AttachRequest {
        let Self { namespace, pool, class, client } = self.clone();
        let client = match client {
            SavedClient::Qemu => dataplane::Client::Qemu,
            SavedClient::Egd => dataplane::Client::Egd,
        };
        AttachRequest { id: id.to_owned(), namespace, pool, class, client }
    }
}

impl From<&AttachRequest> for SavedVm {
    fn from(attach: &AttachRequest) -> Self {
        let AttachRequest { namespace, pool, class, client, .. } = attach.clone();
        let client = match client {
            dataplane::Client::Qemu => SavedClient::Qemu,
            dataplane::Client::Egd => SavedClient::Egd,
        };
        Self { namespace, pool, class, client }
    }
}

/// Bytes served in a lifetime, which is longer than a process's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedTotals {
    /// By VM.
    #[serde(default)]
    pub vms: BTreeMap<String, u64>,
    /// By pool, then class.
    #[serde(default)]
    pub classes: BTreeMap<String, BTreeMap<String, u64>>,
}

impl ServedTotals {
    /// This and what came since, name by name. A sum that would pass 64 bits stays there: it is a figure to show,
    /// and nobody is charged by it.
    #[must_use]
    pub fn add(mut self, since: &Self) -> Self {
        add(&mut self.vms, &since.vms);
        for (pool, classes) in &since.classes {
            add(self.classes.entry(pool.clone()).or_default(), classes);
        }
        self
    }
}

fn add(sums: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (name, bytes) in more {
        let sum = sums.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attached_vm_comes_back_as_it_was() {
        let vm = AttachRequest {
            id: "web-1".to_owned(),
            namespace: "shop".to_owned(),
            pool: "default".to_owned(),
            class: Some("gold".to_owned()),
            client: dataplane::Client::Qemu,
        };
        let back = SavedVm::from(&vm).attach("web-1");
        assert_eq!(format!("{back:?}"), format!("{vm:?}"));
    }

    #[test]
    fn counters_go_on_from_where_they_were_and_never_wrap() {
        let before = ServedTotals {
            vms: BTreeMap::from([("a".to_owned(), u64::MAX - 1)]),
            classes: BTreeMap::from([("p".to_owned(), BTreeMap::from([("gold".to_owned(), 5)]))]),
        };
        let since = ServedTotals {
            vms: BTreeMap::from([("a".to_owned(), 7), ("b".to_owned(), 1)]),
            classes: BTreeMap::from([("p".to_owned(), BTreeMap::from([("gold".to_owned(), 6)]))]),
        };
        let sum = before.add(&since);
        assert_eq!(sum.vms, BTreeMap::from([("a".to_owned(), u64::MAX), ("b".to_owned(), 1)]));
        assert_eq!(sum.classes["p"]["gold"], 11);
    }
}
