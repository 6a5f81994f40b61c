//! A kubelet's request, parsed and validated field by field.
//!
//! The pod's author writes most of a publish call. The keys under `csi.storage.k8s.io/` are the kubelet's, which
//! overwrites the author's where the `CSIDriver` has `podInfoOnMount`.

use std::collections::BTreeMap;
use std::path::Path;

use api::names::{CLASS_ANNOTATION, CLIENT_ATTRIBUTE, POOL_ANNOTATION, is_namespace};
use dataplane::Client;
use proto::csi::volume_capability::AccessType;
use proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};

use super::target::{TargetError, TargetPath, is_name, shortened};
use crate::attachments::{Attachment, AttachmentOrigin, PodVolume};

/// The prefix of the keys that the kubelet writes.
const KUBELET: &str = "csi.storage.k8s.io/";
/// `SINGLE_NODE_WRITER`, which a kubelet sends for every inline volume, and `SINGLE_NODE_READER_ONLY`.
const MODES: [i32; 2] = [1, 2];
const MAX_VOLUME_ID: usize = 128;

type Context<'a> = BTreeMap<&'a str, &'a str>;

/// Why a request cannot succeed as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error(
        "volume id {id:?} {problem}; it has 1 to 128 letters, digits, '-', '_' and '.', and does not begin with '.'"
    )]
    VolumeId { id: String, problem: &'static str },
    #[error(transparent)]
    Target(TargetError),
    #[error("target path {target} is in the directory of pod {of}, but the volume belongs to pod {uid}")]
    ForeignTarget { target: String, of: String, uid: String },
    #[error("{0}")]
    Capability(&'static str),
    #[error(
        "the volume is not read-only; set `readOnly: true` under `csi` in the pod: only the agent puts a socket there"
    )]
    Writable,
    #[error(
        "the volume is not an ephemeral inline volume; name the driver under `volumes` in the pod, not in a PersistentVolume"
    )]
    NotEphemeral,
    #[error("the kubelet sends no usable {key} ({value:?}); the CSIDriver needs podInfoOnMount: true")]
    PodInfo { key: &'static str, value: String },
    #[error("volumeAttributes name no pool; add `entropool.io/pool: NAME`")]
    NoPool,
    /// A typing error, or meant for another version.
    #[error(
        "volumeAttributes has the unknown key {key:?}; the keys are entropool.io/pool, entropool.io/class and client"
    )]
    UnknownAttribute { key: String },
    #[error("volumeAttributes has {key}: {value:?}; {expected}")]
    Attribute { key: &'static str, value: String, expected: &'static str },
}

impl RequestError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::VolumeId { .. } => "InvalidVolumeId",
            Self::Target(_) | Self::ForeignTarget { .. } => "InvalidTargetPath",
            Self::Capability(_) | Self::Writable | Self::NotEphemeral => "InvalidVolume",
            Self::PodInfo { .. } => "NoPodInfo",
            Self::NoPool | Self::UnknownAttribute { .. } | Self::Attribute { .. } => "InvalidAttributes",
        }
    }
}

/// The attachment that a publish call requests.
pub(super) fn publish(request: &NodePublishVolumeRequest, pods: &Path) -> Result<Attachment, RequestError> {
    let context: Context<'_> =
        request.volume_context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    volume_id(&request.volume_id)?;
    let target = TargetPath::parse(&request.target_path, pods).map_err(RequestError::Target)?;
    capability(request)?;
    if context.get("csi.storage.k8s.io/ephemeral") != Some(&"true") {
        return Err(RequestError::NotEphemeral);
    }
    let uid = pod_info(&context, "csi.storage.k8s.io/pod.uid", is_name)?;
    if uid != target.uid() {
        let (of, uid) = (target.uid().to_owned(), uid.to_owned());
        return Err(RequestError::ForeignTarget { target: target.to_string(), of, uid });
    }
    let namespace = pod_info(&context, "csi.storage.k8s.io/pod.namespace", is_namespace)?;
    let pod = pod_info(&context, "csi.storage.k8s.io/pod.name", is_subdomain)?;
    let attributes = Attributes::parse(&context)?;
    let volume = PodVolume {
        volume_id: request.volume_id.clone(),
        name: target.volume().to_owned(),
        pod: pod.to_owned(),
        scheduled_class: attributes.scheduled_class(),
        detached: false,
    };
    Ok(Attachment {
        id: uid.to_owned(),
        namespace: namespace.to_owned(),
        pool: attributes.pool,
        class: attributes.class,
        client: attributes.client,
        origin: AttachmentOrigin::Csi(volume),
    })
}

/// The directory that an unpublish call means.
pub(super) fn unpublish(
    request: &NodeUnpublishVolumeRequest,
    pods: &Path,
) -> Result<TargetPath, RequestError> {
    volume_id(&request.volume_id)?;
    TargetPath::parse(&request.target_path, pods).map_err(RequestError::Target)
}

fn volume_id(id: &str) -> Result<(), RequestError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let problem = match id {
        "" => "is empty",
        _ if id.len() > MAX_VOLUME_ID => "is too long",
        _ if id.starts_with('.') => "begins with '.'",
        _ if !id.bytes().all(fits) => "has another character",
        _ => return Ok(()),
    };
    Err(RequestError::VolumeId { id: shortened(id), problem })
}

fn capability(request: &NodePublishVolumeRequest) -> Result<(), RequestError> {
    let refused = |sentence| Err(RequestError::Capability(sentence));
    let Some(capability) = &request.volume_capability else {
        return refused("the call has no volume capability");
    };
    match &capability.access_type {
        None => return refused("the volume capability is neither block nor mount; it must be mount"),
        Some(AccessType::Block(_)) => {
            return refused("the directory of a socket is not a block device; mount it as a file system");
        }
        Some(AccessType::Mount(mount)) if !mount.fs_type.is_empty() => {
            return refused("the directory of a socket has no file system type; leave out `fsType`");
        }
        Some(AccessType::Mount(mount)) if !mount.mount_flags.is_empty() => {
            return refused("the directory of a socket takes no mount options; leave them out");
        }
        Some(AccessType::Mount(mount)) if !mount.volume_mount_group.is_empty() => {
            return refused("the agent sets the socket's group; the driver has no VOLUME_MOUNT_GROUP");
        }
        Some(AccessType::Mount(_)) => {}
    }
    if !MODES.contains(&capability.access_mode.map_or(0, |access| access.mode)) {
        return refused("the volume belongs to one pod; the access mode must be SINGLE_NODE_WRITER");
    }
    if !request.staging_target_path.is_empty() {
        return refused("nothing is staged; the driver has no STAGE_UNSTAGE_VOLUME");
    }
    if request.readonly { Ok(()) } else { Err(RequestError::Writable) }
}

fn pod_info<'a>(
    context: &Context<'a>,
    key: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<&'a str, RequestError> {
    let value = context.get(key).copied().unwrap_or_default();
    if fits(value) { Ok(value) } else { Err(RequestError::PodInfo { key, value: shortened(value) }) }
}

/// What the pod's author wrote under `volumeAttributes`.
struct Attributes {
    pool: String,
    class: Option<String>,
    client: Client,
}

impl Attributes {
    fn parse(context: &Context<'_>) -> Result<Self, RequestError> {
        let (mut pool, mut class, mut client) = (None, None, Client::default());
        for (&key, &value) in context.iter().filter(|(key, _)| !key.starts_with(KUBELET)) {
            match key {
                POOL_ANNOTATION => pool = Some(object_name(POOL_ANNOTATION, value)?),
                CLASS_ANNOTATION => class = Some(object_name(CLASS_ANNOTATION, value)?),
                CLIENT_ATTRIBUTE => client = parse_client(value)?,
                _ => return Err(RequestError::UnknownAttribute { key: shortened(key) }),
            }
        }
        Ok(Self { pool: pool.ok_or(RequestError::NoPool)?, class, client })
    }

    /// The webhook that writes `client: qemu` has the pod request the class's extended resource as well.
    fn scheduled_class(&self) -> Option<String> {
        self.class.clone().filter(|_| self.client == Client::Qemu)
    }
}

fn object_name(key: &'static str, value: &str) -> Result<String, RequestError> {
    if is_subdomain(value) {
        return Ok(value.to_owned());
    }
    let expected = "a name has 1 to 253 of a-z, 0-9, '-' and '.'";
    Err(RequestError::Attribute { key, value: shortened(value), expected })
}

fn parse_client(value: &str) -> Result<Client, RequestError> {
    match value {
        "qemu" => Ok(Client::Qemu),
        "egd" => Ok(Client::Egd),
        _ => Err(RequestError::Attribute {
            key: CLIENT_ATTRIBUTE,
            value: shortened(value),
            expected: "it is qemu or egd",
        }),
    }
}

/// Whether this can be the name of a pod, a pool or a class.
fn is_subdomain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}
