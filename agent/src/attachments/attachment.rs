//! One row of the table: a VM as it was requested.

use std::net::SocketAddr;

use dataplane::{AttachRequest, Client, ListenerLocation};
use serde::{Deserialize, Serialize};

/// A VM that is attached to this host, or is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Unique on this host. The VM of a pod has the pod's UID. On disk the id is the row's key.
    #[serde(skip)]
    pub id: String,
    pub namespace: String,
    pub pool: String,
    /// A VM that names no class stays in the class that was the pool's default when it was attached. `None` only while
    /// the pool is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(flatten, with = "client_on_disk")]
    pub client: Client,
    #[serde(default, skip_serializing_if = "AttachmentOrigin::is_api")]
    pub origin: AttachmentOrigin,
}

/// Who requested an attachment, which determines how long its row is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttachmentOrigin {
    /// `--vm`, or `--tcp` with a port. The row lives as long as the process: each start repeats its flags.
    #[serde(skip)]
    Flag { port: Option<SocketAddr> },
    /// The local API. The row survives a reboot, since the call is not repeated. The checkpoint keeps it.
    #[default]
    Api,
    /// The kubelet. The row outlives the process but not a reboot, which ends the pod as well. The journal keeps it.
    Csi(PodVolume),
}

/// The volume by which a pod gets its socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodVolume {
    /// The kubelet's id of the volume.
    pub volume_id: String,
    /// The volume's name in the pod.
    pub name: String,
    /// The pod's name, for people.
    pub pod: String,
    /// The class whose extended resource the pod requested, so that the scheduler counted it. A move does not change
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_class: Option<String>,
    /// An administrator detached the VM. It gets no socket again for as long as the pod lives.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
}

/// How a [`Client`] is spelled on disk: so that versions that know only two kinds read what they did before there was a third.
mod client_on_disk {
    use dataplane::Client;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Qemu,
        #[default]
        Egd,
    }

    #[derive(Serialize, Deserialize)]
    struct ClientOnDisk {
        #[serde(default)]
        client: Kind,
        /// A QEMU only if it is detected.
        #[serde(default, rename = "clientDetected", skip_serializing_if = "std::ops::Not::not")]
        detected: bool,
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(client: &Client, serializer: S) -> Result<S::Ok, S::Error> {
        let (client, detected) = match client {
            Client::Qemu => (Kind::Qemu, false),
            Client::Detect => (Kind::Qemu, true),
            Client::Egd => (Kind::Egd, false),
        };
        ClientOnDisk { client, detected }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Client, D::Error> {
        let ClientOnDisk { client, detected } = ClientOnDisk::deserialize(deserializer)?;
        Ok(match client {
            Kind::Qemu if detected => Client::Detect,
            Kind::Qemu => Client::Qemu,
            Kind::Egd => Client::Egd,
        })
    }
}

impl AttachmentOrigin {
    fn is_api(&self) -> bool {
        *self == Self::Api
    }
}

impl Attachment {
    pub fn new(request: AttachRequest, origin: AttachmentOrigin) -> Self {
        let AttachRequest { id, namespace, pool, class, client } = request;
        Self { id, namespace, pool, class, client, origin }
    }

    /// What the data plane is asked.
    pub fn request(&self) -> AttachRequest {
        AttachRequest {
            id: self.id.clone(),
            namespace: self.namespace.clone(),
            pool: self.pool.clone(),
            class: self.class.clone(),
            client: self.client,
        }
    }

    /// Where the socket is, unless it is in the socket directory.
    pub(super) fn location(&self) -> Option<ListenerLocation> {
        match &self.origin {
            AttachmentOrigin::Csi(_) => Some(ListenerLocation::Elsewhere),
            AttachmentOrigin::Flag { port } => port.map(ListenerLocation::Port),
            AttachmentOrigin::Api => None,
        }
    }

    pub fn pod_volume(&self) -> Option<&PodVolume> {
        match &self.origin {
            AttachmentOrigin::Csi(volume) => Some(volume),
            AttachmentOrigin::Flag { .. } | AttachmentOrigin::Api => None,
        }
    }

    pub fn is_pod(&self) -> bool {
        self.pod_volume().is_some()
    }

    /// Whether the VM is to have a socket.
    pub(super) fn is_enabled(&self) -> bool {
        self.pod_volume().is_none_or(|volume| !volume.detached)
    }

    /// Whether `other` is the same request again. What was done to the attachment since does not count.
    pub(super) fn is_same_request(&self, other: &Self) -> bool {
        let requested = |row: &Self| {
            let mut row = Self { class: None, ..row.clone() };
            if let AttachmentOrigin::Csi(volume) = &mut row.origin {
                (volume.scheduled_class, volume.detached) = (None, false);
            }
            row
        };
        requested(self) == requested(other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_attachment_of_the_api_is_stored_without_its_key_and_its_origin() {
        let request = AttachRequest {
            id: "web-1".to_owned(),
            namespace: "shop".to_owned(),
            pool: "default".to_owned(),
            class: Some("gold".to_owned()),
            client: Client::Qemu,
        };
        let attachment = Attachment::new(request.clone(), AttachmentOrigin::Api);
        assert_eq!(attachment.request(), request);
        let stored = serde_json::to_value(&attachment).unwrap();
        let expected = json!({"namespace": "shop", "pool": "default", "class": "gold", "client": "qemu"});
        assert_eq!(stored, expected);
        let loaded: Attachment = serde_json::from_value(stored).unwrap();
        assert_eq!(Attachment { id: "web-1".to_owned(), ..loaded }, attachment);
    }

    #[test]
    fn a_client_that_is_to_be_detected_is_a_qemu_to_older_versions() {
        for (client, stored) in [
            (Client::Qemu, json!({"client": "qemu"})),
            (Client::Detect, json!({"client": "qemu", "clientDetected": true})),
            (Client::Egd, json!({"client": "egd"})),
        ] {
            let attachment = Attachment { client, ..Attachment::default() };
            let mut row = serde_json::to_value(&attachment).unwrap();
            assert_eq!(serde_json::from_value::<Attachment>(row.clone()).unwrap(), attachment);
            row.as_object_mut().unwrap().retain(|key, _| key.starts_with("client"));
            assert_eq!(row, stored);
        }
        let unsaid = json!({"namespace": "shop", "pool": "default"});
        assert_eq!(serde_json::from_value::<Attachment>(unsaid).unwrap().client, Client::Egd);
    }
}
