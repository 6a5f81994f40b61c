//! Why a state is not on disk.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::format::TooLarge;

/// Why a save failed. What was on disk before is still there.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is more to keep than a checkpoint takes.
    #[error("{0}")]
    TooLarge(#[source] TooLarge),
    /// There is no directory.
    #[error("cannot make the directory of {path}: {source}", path = path.display())]
    MakeDir {
        /// The first file that would be in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that could not be used at the start still has the name.
    #[error("cannot set {path} aside, which could not be used: {source}", path = path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No file.
    #[error("cannot make {path}: {source}", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not whole.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file may not be on the medium.
    #[error("cannot make sure that {path} is on disk: {source}", path = path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has not its name.
    #[error("cannot rename to {path}: {source}", path = path.display())]
    Rename {
        /// The name.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name may not be on the medium.
    #[error("cannot make sure that the name {path} is on disk: {source}", path = path.display())]
    SyncDir {
        /// The name.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SaveError {
    /// The one word for logs, metrics and the condition.
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

    /// What would help.
    pub(super) fn remedy(&self) -> &'static str {
        match self.reason() {
            "TooLarge" => "detach VMs that are gone",
            "DiskFull" => "free space on that file system",
            "ReadOnly" => "mount that file system writable, or choose another directory",
            "PermissionDenied" => "let the agent's user write there, or choose another directory",
            _ => "look after that disk, or choose another directory",
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
