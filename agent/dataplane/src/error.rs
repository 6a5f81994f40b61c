//! Why a VM cannot be attached, moved or detached, and why a configuration is rejected.

use htb::pool::ConfigureError;
use source::SupplyError;

use crate::listener::{ListenError, PathError};

/// Why a VM cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error(transparent)]
    Path(PathError),
    #[error("VM {id} is attached already; detach it first, or choose another name")]
    AlreadyAttached { id: String },
    #[error("there is no pool {pool} on this host; available: {pools}")]
    UnknownPool { pool: String, pools: String },
    #[error("pool {pool} has no class {class}; it has {classes}")]
    UnknownClass { pool: String, class: String, classes: String },
    #[error("pool {pool} has been deleted, and is kept only for the VMs that it still has")]
    DeletedPool { pool: String },
    #[error("namespace {namespace} may not use {what}: its allowedNamespaces do not name it")]
    NamespaceNotAllowed {
        namespace: String,
        /// `pool default` or `class gold`.
        what: String,
    },
    /// The class is full, or closed.
    #[error("{0}")]
    Admission(htb::pool::AdmissionError),
    #[error(
        "this node's agent serves {vms} VMs, and its limit of open files allows no more; \
         raise it (LimitNOFILE, or ulimit -n) to {needed} or above"
    )]
    TooManyVms {
        vms: u64,
        /// The limit of open files for one more VM.
        needed: u64,
    },
    #[error(transparent)]
    Listen(ListenError),
    #[error("cannot watch the socket of VM {id}: {source}")]
    Watch { id: String, source: std::io::Error },
    #[error("the VM was detached while it was being attached")]
    Withdrawn,
    #[error("the data plane is stopping and accepts no new VM")]
    Stopping,
}

impl AttachError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Path(error) => error.reason(),
            Self::AlreadyAttached { .. } => "AlreadyAttached",
            Self::UnknownPool { .. } => "UnknownPool",
            Self::UnknownClass { .. } => "UnknownClass",
            Self::DeletedPool { .. } => "DeletedPool",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::Admission(error) => admission_reason(error),
            Self::TooManyVms { .. } => "TooManyVms",
            Self::Listen(error) => error.reason(),
            Self::Watch { .. } => "WatchSocket",
            Self::Withdrawn => "Withdrawn",
            Self::Stopping => "Stopping",
        }
    }
}

fn admission_reason(error: &htb::pool::AdmissionError) -> &'static str {
    match error {
        htb::pool::AdmissionError::UnknownClass { .. } => "UnknownClass",
        htb::pool::AdmissionError::DeletedClass { .. } => "DeletedClass",
        _ => "ClassFull",
    }
}

/// Why a VM cannot be detached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetachError {
    #[error("there is no VM {id} on this host")]
    UnknownVm { id: String },
    #[error("the data plane is stopping")]
    Stopping,
}

/// Why a VM cannot be moved to another class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("there is no VM {id} on this host")]
    UnknownVm { id: String },
    #[error("pool {pool} has no class {class}; it has {classes}")]
    UnknownClass { pool: String, class: String, classes: String },
    #[error("namespace {namespace} may not use {what}: its allowedNamespaces do not name it")]
    NamespaceNotAllowed {
        namespace: String,
        /// `pool default` or `class gold`.
        what: String,
    },
    /// The class is full, or closed.
    #[error("{0}")]
    Admission(htb::pool::AdmissionError),
    #[error("the data plane is stopping")]
    Stopping,
}

impl MoveError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownVm { .. } => "UnknownVm",
            Self::UnknownClass { .. } => "UnknownClass",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::Admission(error) => admission_reason(error),
            Self::Stopping => "Stopping",
        }
    }
}

/// Why a configuration is rejected, all of it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("there are two pools {pool}")]
    DuplicatePool { pool: String },
    #[error("pool {pool}: {source}")]
    Configure { pool: String, source: ConfigureError },
    #[error("cannot set up the supply of pool {pool}")]
    Supply { pool: String, source: SupplyError },
    #[error("the data plane is stopping and accepts no configuration")]
    Stopping,
}

impl ApplyError {
    /// The pool that cannot be applied; `None` if it is none's fault.
    pub fn pool(&self) -> Option<&str> {
        match self {
            Self::DuplicatePool { pool } | Self::Configure { pool, .. } | Self::Supply { pool, .. } => {
                Some(pool)
            }
            Self::Stopping => None,
        }
    }

    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DuplicatePool { .. } => "DuplicatePool",
            Self::Configure { .. } => "InvalidClasses",
            Self::Supply { source, .. } => source.reason(),
            Self::Stopping => "Stopping",
        }
    }
}

/// Sorted, and separated by commas.
pub(crate) fn list<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
