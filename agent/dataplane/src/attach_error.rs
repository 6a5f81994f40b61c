//! What is said to whoever wants a VM attached, moved or detached, and cannot have it.

use crate::address::PathError;
use crate::listener_error::ListenError;

/// Why a VM gets no socket.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It cannot be reached under that name.
    #[error(transparent)]
    Path(PathError),
    /// A VM of that id is attached.
    #[error("VM {id} is attached already; detach it first, or choose another name")]
    AlreadyAttached {
        /// The id.
        id: String,
    },
    /// There is no such pool on this host.
    #[error("there is no pool {pool} on this host; there is {pools}")]
    UnknownPool {
        /// The pool that was named.
        pool: String,
        /// Those that there are.
        pools: String,
    },
    /// The pool has no such class.
    #[error("pool {pool} has no class {class}; it has {classes}")]
    UnknownClass {
        /// The pool.
        pool: String,
        /// The class that was named.
        class: String,
        /// Those that it has.
        classes: String,
    },
    /// The pool has gone from the configuration.
    #[error("pool {pool} has been deleted and stays only for the VMs it has")]
    ClosedPool {
        /// The pool.
        pool: String,
    },
    /// The namespace may not use the pool, or the class.
    #[error("namespace {namespace} may not use {what}: its allowedNamespaces do not name it")]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
        /// `pool default` or `class gold`.
        what: String,
    },
    /// The class has no room.
    #[error("{0}")]
    Admission(htb::pool::AttachError),
    /// The process may not open enough descriptors for one more.
    #[error(
        "this node's agent serves {vms} VMs, and its limit of open files leaves room for no more; \
         raise it (LimitNOFILE, or ulimit -n) to {needed} or above"
    )]
    TooManyVms {
        /// How many it serves.
        vms: u64,
        /// The limit that one more needs.
        needed: u64,
    },
    /// Its socket could not be made.
    #[error(transparent)]
    Listen(ListenError),
    /// Its socket cannot be watched.
    #[error("the socket of VM {id} cannot be watched: {source}")]
    Watch {
        /// The VM.
        id: String,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else took it away again meanwhile.
    #[error("the VM was detached while it was being attached")]
    Withdrawn,
    /// The server is on its way out.
    #[error("the server is stopping and takes no new VM")]
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
            Self::ClosedPool { .. } => "DeletedPool",
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

fn admission_reason(error: &htb::pool::AttachError) -> &'static str {
    match error {
        htb::pool::AttachError::UnknownClass { .. } => "UnknownClass",
        htb::pool::AttachError::ClosedClass { .. } => "DeletedClass",
        _ => "ClassFull",
    }
}

/// No VM of that id is attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetachError {
    /// It is not here.
    #[error("there is no VM {id} on this host")]
    UnknownVm {
        /// The id.
        id: String,
    },
    /// The server is on its way out.
    #[error("the server is stopping")]
    Stopping,
}

/// Why a VM stays in its class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// It is not here.
    #[error("there is no VM {id} on this host")]
    UnknownVm {
        /// The id.
        id: String,
    },
    /// The pool has no such class.
    #[error("pool {pool} has no class {class}; it has {classes}")]
    UnknownClass {
        /// The pool.
        pool: String,
        /// The class that was named.
        class: String,
        /// Those that it has.
        classes: String,
    },
    /// Its namespace may not use the class.
    #[error("namespace {namespace} may not use {what}: its allowedNamespaces do not name it")]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
        /// `pool default` or `class gold`.
        what: String,
    },
    /// The class has no room.
    #[error("{0}")]
    Admission(htb::pool::AttachError),
    /// The server is on its way out.
    #[error("the server is stopping")]
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
