//! Why a call of the kubelet fails. The message is shown on the pod.

use std::io;

use dataplane::{AttachError, DetachError};
use tonic::{Code, Status};

use super::request::RequestError;
use crate::api::status;
use crate::attachments::table::VolumeConflict;

/// Why a volume is not published. The call is undone completely: after most codes a kubelet does not call again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(
        "this node's agent does not know yet whether the CSIDriver has podInfoOnMount: true; it waits for its controller"
    )]
    PodInfoUnknown,
    /// A pod's author could claim to be another pod.
    #[error(
        "the CSIDriver csi.entropool.io has no podInfoOnMount: true, so the agent cannot verify which pod a volume \
         belongs to; set it"
    )]
    PodInfoOff,
    #[error("this node's agent has no configuration yet; it waits for its controller")]
    NotConfigured,
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Conflict(#[from] VolumeConflict),
    #[error("{0}")]
    Attach(AttachError),
    #[error("the directory {target} of pod {pod} cannot be made: {source}")]
    Directory { pod: String, target: String, source: io::Error },
    /// On a host with `SELinux`, a container could not reach the socket.
    #[error("the SELinux label of {target} cannot be written: {source}")]
    Label { target: String, source: io::Error },
    #[error("volume {volume_id} cannot be recorded in the journal: {source}")]
    Record { volume_id: String, source: io::Error },
}

/// Why a volume is not unpublished.
#[derive(Debug, thiserror::Error)]
pub enum UnpublishError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{target} is the target path of another volume, not of {volume_id}")]
    AnotherVolume { volume_id: String, target: String },
    #[error("{0}")]
    Detach(DetachError),
    #[error("the directory {target} of volume {volume_id} cannot be removed: {source}")]
    Directory { volume_id: String, target: String, source: io::Error },
    #[error("volume {volume_id} cannot be removed from the journal: {source}")]
    Record { volume_id: String, source: io::Error },
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
