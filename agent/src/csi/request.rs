//! What a kubelet asks, as plain types.

use std::collections::BTreeMap;

/// A pod is to have its directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublishRequest {
    pub(crate) volume_id: String,
    pub(crate) target_path: String,
    pub(crate) staging_target_path: String,
    pub(crate) readonly: bool,
    pub(crate) capability: Option<RequestedCapability>,
    /// What the pod's author wrote, and over it what the kubelet says of the pod.
    pub(crate) context: BTreeMap<String, String>,
}

/// What the volume is to be able to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestedCapability {
    pub(crate) access: Option<AccessMode>,
    /// The interface's number; 0 where none was given.
    pub(crate) mode: i32,
}

/// As what the volume is to appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    Block,
    Mount { fs_type: String, flags: Vec<String>, group: String },
}

/// A pod's directory is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnpublishRequest {
    pub(crate) volume_id: String,
    pub(crate) target_path: String,
}
