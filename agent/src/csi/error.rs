//! What is said to a kubelet whose call cannot be done. It shows on the pod.

use std::io;

use dataplane::{AttachError, DetachError};
use tonic::{Code, Status};

use super::book::ConflictError;
use super::check::RequestError;
use crate::api::status;

/// Why a pod does not get its directory. Nothing of the call is left then: after most codes a kubelet forgets it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The agent cannot yet tell whether the kubelet's word on pods is the kubelet's.
    #[error("this node's agent has not heard yet whether the CSIDriver has podInfoOnMount: true")]
    PodInfoUnknown,
    /// A pod's author could say to be another pod.
    #[error(
        "the CSIDriver csi.entropool.io has no podInfoOnMount: true, so nobody knows whose a volume is; set it"
    )]
    PodInfoOff,
    /// The agent knows no pool yet.
    #[error("this node's agent has no configuration yet; it waits for its controller")]
    NotConfigured,
    /// The call can never be done as it is.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Another volume is in its way.
    #[error(transparent)]
    Conflict(#[from] ConflictError),
    /// The agent takes no such VM.
    #[error("{0}")]
    Attach(AttachError),
    /// The volume's directory cannot be made.
    #[error("the directory {target} of pod {pod} cannot be made: {source}")]
    Directory {
        /// Whose.
        pod: String,
        /// Which.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// On a host with `SELinux`, a container could not reach it.
    #[error("the SELinux label of {target} cannot be written: {source}")]
    Label {
        /// The volume's directory.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be remembered.
    #[error("volume {volume_id} cannot be recorded: {source}")]
    Record {
        /// Which.
        volume_id: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a pod's directory stays.
#[derive(Debug, thiserror::Error)]
pub enum UnpublishError {
    /// The call can never be done as it is.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Another volume is published there.
    #[error("{target} is that of another volume than {volume_id}")]
    AnotherVolume {
        /// The volume.
        volume_id: String,
        /// The directory.
        target: String,
    },
    /// The agent is on its way out.
    #[error("{0}")]
    Detach(DetachError),
    /// The volume's directory cannot be removed.
    #[error("the directory {target} of volume {volume_id} cannot be removed: {source}")]
    Directory {
        /// The volume.
        volume_id: String,
        /// Which.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be forgotten.
    #[error("the record of volume {volume_id} cannot be removed: {source}")]
    Record {
        /// Which.
        volume_id: String,
        /// Why.
        source: io::Error,
    },
}

impl PublishError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PodInfoUnknown => "PodInfoUnknown",
            Self::PodInfoOff => "PodInfoOff",
            Self::NotConfigured => "NotConfigured",
            Self::Request(error) => error.reason(),
            Self::Conflict(_) => "VolumeConflict",
            Self::Attach(error) => error.reason(),
            Self::Directory { .. } => "VolumeDirectory",
            Self::Label { .. } => "VolumeLabel",
            Self::Record { .. } => "VolumeRecord",
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::PodInfoUnknown | Self::NotConfigured => Code::Unavailable,
            Self::PodInfoOff => Code::FailedPrecondition,
            Self::Request(_) => Code::InvalidArgument,
            Self::Conflict(_) => Code::AlreadyExists,
            Self::Attach(error) => status::attach_code(error),
            Self::Directory { .. } | Self::Label { .. } | Self::Record { .. } => Code::Internal,
        }
    }
}

impl UnpublishError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Request(error) => error.reason(),
            Self::AnotherVolume { .. } => "VolumeConflict",
            Self::Detach(_) => "Stopping",
            Self::Directory { .. } => "VolumeDirectory",
            Self::Record { .. } => "VolumeRecord",
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Request(_) => Code::InvalidArgument,
            Self::AnotherVolume { .. } => Code::FailedPrecondition,
            Self::Detach(_) => Code::Unavailable,
            Self::Directory { .. } | Self::Record { .. } => Code::Internal,
        }
    }
}

impl From<&PublishError> for Status {
    fn from(error: &PublishError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<&UnpublishError> for Status {
    fn from(error: &UnpublishError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
