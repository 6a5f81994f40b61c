//! What is kept of a volume from publish to unpublish.

use dataplane::{AttachRequest, Client};
use serde::{Deserialize, Serialize};

use super::target::TargetPath;

/// A published volume. Everything in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VolumeRecord {
    /// The kubelet's name for it.
    pub(crate) volume_id: String,
    /// The pod's UID, which is the VM's id on this node.
    pub(crate) uid: String,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name, for people.
    pub(crate) pod: String,
    /// What the pod calls the volume.
    pub(crate) volume: String,
    /// The pool it draws from.
    pub(crate) pool: String,
    /// The class that was named for it, by its pod or by who moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Where none was: what was the pool's default class then. It stays in that, whatever becomes the default later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by_default: Option<String>,
    /// Who is in the pod.
    pub(crate) client: PodClient,
    /// Somebody has cut it off: it has no socket for the rest of its life.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cut: bool,
    /// The class of which the pod asked the scheduler for a place; a move changes nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
}

/// Who is in a pod: [`Client`], as the volume's attribute spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodClient {
    /// QEMU, which takes bytes that it did not ask for.
    Qemu,
    /// Any EGD client.
    #[default]
    Egd,
}

impl PodClient {
    /// The place that comes with a volume of a class: the webhook that says `client: qemu` has the pod ask for one.
    pub(crate) fn asks_for(self, class: Option<&str>) -> Option<String> {
        class.filter(|_| self == Self::Qemu).map(str::to_owned)
    }
}

impl VolumeRecord {
    pub(crate) fn target(&self) -> TargetPath {
        TargetPath::of(&self.uid, &self.volume)
    }

    /// As it is meant, also where an agent wrote it that knew of no places: that took every VM for one that has a
    /// place in its class.
    pub(crate) fn understood(self) -> Self {
        let place = self.place.or_else(|| self.client.asks_for(self.class.as_deref()));
        Self { place, ..self }
    }

    /// What puts the pod into its class.
    pub(crate) fn attach(&self) -> AttachRequest {
        AttachRequest {
            id: self.uid.clone(),
            namespace: self.namespace.clone(),
            pool: self.pool.clone(),
            class: self.class.clone().or_else(|| self.by_default.clone()),
            client: match self.client {
                PodClient::Qemu => Client::Qemu,
                PodClient::Egd => Client::Egd,
            },
        }
    }

    /// Whether the same pod asks for the same once more. What was done to it since is no difference.
    pub(crate) fn is_again(&self, asked: &Self) -> bool {
        let as_asked =
            |record: &Self| Self { class: None, by_default: None, cut: false, place: None, ..record.clone() };
        as_asked(self) == as_asked(asked)
    }
}
