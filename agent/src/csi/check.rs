//! What a kubelet asks, judged by itself: every part of it has to be what it can be.
//!
//! The pod's author writes most of a publish call. The keys under `csi.storage.k8s.io/` are the kubelet's, which
//! writes them over the author's where the `CSIDriver` says `podInfoOnMount`.

use std::collections::BTreeMap;
use std::path::Path;

use api::names::{CLASS_ANNOTATION, CLIENT_ATTRIBUTE, POOL_ANNOTATION, is_namespace};

use super::record::{PodClient, VolumeRecord};
use super::request::{AccessMode, PublishRequest, RequestedCapability, UnpublishRequest};
use super::target::{TargetError, TargetPath, is_name, shortened};

/// What comes before the keys that the kubelet writes.
const KUBELET: &str = "csi.storage.k8s.io/";
/// `SINGLE_NODE_WRITER`, which a kubelet sends for every inline volume, and `SINGLE_NODE_READER_ONLY`.
const MODES: [i32; 2] = [1, 2];
const MAX_VOLUME_ID: usize = 128;

/// Why a call can never be done as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The volume has no name that could be kept.
    #[error(
        "volume id {id:?} {problem}; it has 1 to 128 letters, digits, '-', '_' and '.', and does not begin with '.'"
    )]
    VolumeId {
        /// As it came.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The directory is not one that a kubelet would name.
    #[error(transparent)]
    Target(TargetError),
    /// The directory is another pod's.
    #[error("target path {target} is in the directory of pod {of}, and the volume is pod {uid}'s")]
    ForeignTarget {
        /// The path.
        target: String,
        /// Whose it is.
        of: String,
        /// Who asks.
        uid: String,
    },
    /// Something is asked that a socket's directory cannot be.
    #[error("{0}")]
    Capability(&'static str),
    /// The pod does not have the volume read-only.
    #[error(
        "the volume is not read-only; write `readOnly: true` under `csi` in the pod, since only the agent may put a socket there"
    )]
    Writable,
    /// The volume is not part of a pod.
    #[error(
        "the volume is not an ephemeral inline volume; name the driver under `volumes` in the pod, not in a PersistentVolume"
    )]
    NotEphemeral,
    /// The kubelet does not say which pod it is.
    #[error("the kubelet gives no usable {key} ({value:?}); the CSIDriver needs podInfoOnMount: true")]
    PodInfo {
        /// Which key.
        key: &'static str,
        /// What it gave.
        value: String,
    },
    /// The volume names no pool.
    #[error("volumeAttributes name no pool; write `entropool.io/pool: NAME`")]
    NoPool,
    /// An attribute that nobody knows is a slip, or meant for a version that is not here.
    #[error(
        "volumeAttributes has {key:?}, which is none of entropool.io/pool, entropool.io/class and client"
    )]
    UnknownAttribute {
        /// Its key.
        key: String,
    },
    /// An attribute says nothing that can be meant.
    #[error("volumeAttributes has {key}: {value:?}; {expected}")]
    Attribute {
        /// Its key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
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

/// What a publish call wants, if it can be had at all.
pub(crate) fn publish(asked: &PublishRequest, pods: &Path) -> Result<VolumeRecord, RequestError> {
    volume_id(&asked.volume_id)?;
    let target = TargetPath::parse(&asked.target_path, pods).map_err(RequestError::Target)?;
    capability(asked)?;
    if context(asked, "ephemeral") != "true" {
        return Err(RequestError::NotEphemeral);
    }
    let uid = pod_info(asked, "csi.storage.k8s.io/pod.uid", is_name)?;
    if uid != target.uid() {
        let (of, uid) = (target.uid().to_owned(), uid.to_owned());
        return Err(RequestError::ForeignTarget { target: target.to_string(), of, uid });
    }
    let namespace = pod_info(asked, "csi.storage.k8s.io/pod.namespace", is_namespace)?;
    let pod = pod_info(asked, "csi.storage.k8s.io/pod.name", is_subdomain)?;
    let (pool, class, client) = attributes(&asked.context)?;
    let place = client.asks_for(class.as_deref());
    Ok(VolumeRecord {
        volume_id: asked.volume_id.clone(),
        uid: uid.to_owned(),
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        volume: target.volume().to_owned(),
        pool,
        class,
        client,
        cut: false,
        by_default: None,
        place,
    })
}

/// Which directory an unpublish call means.
pub(crate) fn unpublish(asked: &UnpublishRequest, pods: &Path) -> Result<TargetPath, RequestError> {
    volume_id(&asked.volume_id)?;
    TargetPath::parse(&asked.target_path, pods).map_err(RequestError::Target)
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

fn capability(asked: &PublishRequest) -> Result<(), RequestError> {
    let refused = |sentence| Err(RequestError::Capability(sentence));
    let Some(RequestedCapability { access, mode }) = &asked.capability else {
        return refused("the call has no volume capability");
    };
    match access {
        None => return refused("the volume capability says neither block nor mount; it has to be mount"),
        Some(AccessMode::Block) => {
            return refused("a socket's directory is no block device; mount it as a file system");
        }
        Some(AccessMode::Mount { fs_type, .. }) if !fs_type.is_empty() => {
            return refused("a socket's directory has no file system type; leave `fsType` out");
        }
        Some(AccessMode::Mount { flags, .. }) if !flags.is_empty() => {
            return refused("a socket's directory takes no mount options; leave them out");
        }
        Some(AccessMode::Mount { group, .. }) if !group.is_empty() => {
            return refused("the socket's group is the agent's to say; the driver has no VOLUME_MOUNT_GROUP");
        }
        Some(AccessMode::Mount { .. }) => {}
    }
    if !MODES.contains(mode) {
        return refused("the volume is one pod's; the access mode has to be SINGLE_NODE_WRITER");
    }
    if !asked.staging_target_path.is_empty() {
        return refused("nothing is staged; the driver has no STAGE_UNSTAGE_VOLUME");
    }
    if asked.readonly { Ok(()) } else { Err(RequestError::Writable) }
}

fn context<'a>(asked: &'a PublishRequest, key: &str) -> &'a str {
    asked.context.get(&format!("{KUBELET}{key}")).map_or("", String::as_str)
}

fn pod_info<'a>(
    asked: &'a PublishRequest,
    key: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<&'a str, RequestError> {
    let value = asked.context.get(key).map_or("", String::as_str);
    if fits(value) { Ok(value) } else { Err(RequestError::PodInfo { key, value: shortened(value) }) }
}

fn attributes(
    context: &BTreeMap<String, String>,
) -> Result<(String, Option<String>, PodClient), RequestError> {
    let (mut pool, mut class, mut client) = (None, None, PodClient::default());
    for (key, value) in context.iter().filter(|(key, _)| !key.starts_with(KUBELET)) {
        match key.as_str() {
            POOL_ANNOTATION => pool = Some(object(POOL_ANNOTATION, value)?),
            CLASS_ANNOTATION => class = Some(object(CLASS_ANNOTATION, value)?),
            CLIENT_ATTRIBUTE => client = read_client(value)?,
            _ => return Err(RequestError::UnknownAttribute { key: shortened(key) }),
        }
    }
    Ok((pool.ok_or(RequestError::NoPool)?, class, client))
}

fn object(key: &'static str, value: &str) -> Result<String, RequestError> {
    if is_subdomain(value) {
        return Ok(value.to_owned());
    }
    let expected = "a name has 1 to 253 of a-z, 0-9, '-' and '.'";
    Err(RequestError::Attribute { key, value: shortened(value), expected })
}

fn read_client(value: &str) -> Result<PodClient, RequestError> {
    match value {
        "qemu" => Ok(PodClient::Qemu),
        "egd" => Ok(PodClient::Egd),
        _ => Err(RequestError::Attribute {
            key: CLIENT_ATTRIBUTE,
            value: shortened(value),
            expected: "it is qemu or egd",
        }),
    }
}

/// As Kubernetes names a pod, and we a pool.
fn is_subdomain(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}
