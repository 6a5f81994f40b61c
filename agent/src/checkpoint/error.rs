//! What can go wrong when a checkpoint is loaded or saved.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::format::{TooLarge, UnsealError};
use super::payload::SkippedObject;

/// A part of a checkpoint that a start did not use. Each is worth a warning.
#[derive(Debug, thiserror::Error)]
pub enum LoadWarning {
    /// The file was renamed, for inspection.
    #[error("checkpoint {path} is not used: {cause}; it is kept as {kept}", path = path.display(), kept = kept.display())]
    SetAside { path: PathBuf, kept: PathBuf, cause: SlotError },
    /// The file could not be renamed either, so it blocks saves.
    #[error(
        "checkpoint {path} is not used: {cause}; it cannot be renamed: {source}; \
         nothing is saved until the file is renamed or removed",
        path = path.display()
    )]
    Blocking { path: PathBuf, cause: SlotError, source: io::Error },
    #[error(
        "checkpoint {path}, generation {generation}, is used instead; changes after it may be missing",
        path = path.display()
    )]
    OlderGeneration { path: PathBuf, generation: u64 },
    #[error(
        "no checkpoint could be used: this start has no accepted specs, no attached VMs and no counters from before"
    )]
    Empty,
    #[error("in checkpoint {path}, {object}", path = path.display())]
    Skipped { path: PathBuf, object: SkippedObject },
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Unseal(#[source] UnsealError),
    /// The file is intact but does not hold a state.
    #[error("its payload is not the state of an agent: {0}")]
    Payload(#[source] serde_json::Error),
}

impl SlotError {
    /// The suffix of a file that is set aside.
    pub(super) fn suffix(&self) -> &'static str {
        match self {
            Self::Read(_) => "unreadable",
            Self::Unseal(UnsealError::Newer { .. }) => "newer",
            Self::Unseal(
                UnsealError::NotACheckpoint
                | UnsealError::NoHeader { .. }
                | UnsealError::Length { .. }
                | UnsealError::Damaged,
            )
            | Self::Payload(_) => "corrupt",
        }
    }
}

/// Why a save failed. The previous state is still on disk.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("{0}")]
    TooLarge(#[source] TooLarge),
    #[error("cannot make the directory of {path}: {source}", path = path.display())]
    MakeDir { path: PathBuf, source: io::Error },
    /// A file that the start could not use still has the name of a slot.
    #[error("cannot rename {path}, which is not usable: {source}", path = path.display())]
    SetAside { path: PathBuf, source: io::Error },
    #[error("cannot create {path}: {source}", path = path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot sync {path}: {source}", path = path.display())]
    Sync { path: PathBuf, source: io::Error },
    #[error("cannot rename a file to {path}: {source}", path = path.display())]
    Rename { path: PathBuf, source: io::Error },
    #[error("cannot sync the directory of {path}: {source}", path = path.display())]
    SyncDir { path: PathBuf, source: io::Error },
}

impl SaveError {
    /// One word for logs, metrics and the condition.
    pub fn reason(&self) -> &'static str {
        let kind = self.cause().map(io::Error::kind);
        match kind {
            None => "TooLarge",
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => "DiskFull",
            Some(ErrorKind::ReadOnlyFilesystem) => "ReadOnly",
            Some(ErrorKind::PermissionDenied) => "PermissionDenied",
            Some(_) => "DiskError",
        }
    }

    /// What an administrator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self.reason() {
            "TooLarge" => "detach VMs that no longer exist",
            "DiskFull" => "free space on that file system",
            "ReadOnly" => "mount that file system writable, or choose another directory",
            "PermissionDenied" => "let the agent's user write to that directory, or choose another one",
            _ => "check that disk, or choose another directory",
        }
    }

    fn cause(&self) -> Option<&io::Error> {
        match self {
            Self::TooLarge(_) => None,
            Self::MakeDir { source, .. }
            | Self::SetAside { source, .. }
            | Self::Create { source, .. }
            | Self::Write { source, .. }
            | Self::Sync { source, .. }
            | Self::Rename { source, .. }
            | Self::SyncDir { source, .. } => Some(source),
        }
    }
}
