//! Errors as gRPC statuses.

use api::names::{NAMESPACES, is_namespace};
use dataplane::{AttachError, DetachError, MoveError};
use delivery::{NodeConfig, PoolConfig};
use htb::pool::AdmissionError;
use tonic::{Code, Status};

/// A daemon stores the namespaces of its VMs, so only names that Kubernetes accepts are allowed.
pub(super) fn namespace(name: &str) -> Result<(), Status> {
    if is_namespace(name) { Ok(()) } else { Err(Status::invalid_argument(NAMESPACES)) }
}

pub(super) fn attach(error: &AttachError) -> Status {
    Status::new(attach_code(error), error.to_string())
}

pub(crate) fn attach_code(error: &AttachError) -> Code {
    match error {
        AttachError::Path(_) => Code::InvalidArgument,
        AttachError::AlreadyAttached { .. } => Code::AlreadyExists,
        AttachError::UnknownPool { .. } | AttachError::UnknownClass { .. } => Code::NotFound,
        AttachError::DeletedPool { .. } | AttachError::Listen(_) => Code::FailedPrecondition,
        AttachError::NamespaceNotAllowed { .. } => Code::PermissionDenied,
        AttachError::Admission(error) => admission(error),
        AttachError::TooManyVms { .. } => Code::ResourceExhausted,
        AttachError::Watch { .. } => Code::Internal,
        AttachError::Withdrawn => Code::Aborted,
        AttachError::Stopping => Code::Unavailable,
    }
}

pub(super) fn detach(error: &DetachError) -> Status {
    let code = match error {
        DetachError::UnknownVm { .. } => Code::NotFound,
        DetachError::Stopping => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}

pub(super) fn move_vm(error: &MoveError) -> Status {
    let code = match error {
        MoveError::UnknownVm { .. } | MoveError::UnknownClass { .. } => Code::NotFound,
        MoveError::NamespaceNotAllowed { .. } => Code::PermissionDenied,
        MoveError::Admission(error) => admission(error),
        MoveError::Stopping => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}

/// No source of that name can be tested.
pub(super) fn retest(name: &str, config: &NodeConfig) -> Status {
    let named = |pool: &&PoolConfig| {
        let (of, source) = name.split_once('/').map_or((None, name), |(of, source)| (Some(of), source));
        of.is_none_or(|of| of == pool.name) && pool.sources.iter().any(|known| known.name == source)
    };
    if let Some(pool) = config.pools.iter().find(named) {
        let pool = &pool.name;
        return Status::failed_precondition(format!(
            "source {name} of pool {pool} is not tested: it is the kernel's generator, or the daemon may not open it"
        ));
    }
    Status::not_found(format!("there is no source {name} on this host; `entropool sources` lists them"))
}

fn admission(error: &AdmissionError) -> Code {
    match error {
        AdmissionError::UnknownClass { .. } => Code::NotFound,
        AdmissionError::DeletedClass { .. } => Code::FailedPrecondition,
        // All others are about room; the enum may grow.
        _ => Code::ResourceExhausted,
    }
}
