//! What a start should say about the checkpoint it found.

use std::io;
use std::path::PathBuf;

use super::format::UnsealError;
use super::payload::SkippedObject;

/// A sentence about a checkpoint that could not be taken as it was. Worth a warning each.
#[derive(Debug, thiserror::Error)]
pub enum Warning {
    /// A file was not used, and is kept under another name for whoever wants to look.
    #[error("checkpoint {path} is not used: {cause}; it is kept as {kept}", path = path.display(), kept = kept.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Its new name.
        kept: PathBuf,
        /// Why.
        cause: SlotError,
    },
    /// A file was not used and could not be renamed either: until it is, nothing is saved.
    #[error(
        "checkpoint {path} is not used: {cause}; it cannot be set aside: {source}; nothing is saved while it is there",
        path = path.display()
    )]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// Why it was not used.
        cause: SlotError,
        /// Why it was not renamed.
        source: io::Error,
    },
    /// One file was not used, and the other is.
    #[error("checkpoint {path}, generation {generation}, is used: what changed after it may be missing", path = path.display())]
    Older {
        /// The file that is used.
        path: PathBuf,
        /// Its generation.
        generation: u64,
    },
    /// There was a checkpoint, and nothing of it could be used.
    #[error(
        "no checkpoint could be used: this start knows no accepted specs, no attached VMs and no counters from before"
    )]
    Empty,
    /// A part of the checkpoint that was used is not understood.
    #[error("in checkpoint {path}, {part}", path = path.display())]
    LeftOut {
        /// The file.
        path: PathBuf,
        /// The part.
        part: SkippedObject,
    },
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The disk does not give it.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It is not what was written, or not for this version.
    #[error("{0}")]
    Unseal(#[source] UnsealError),
    /// It is what was written, and is not a state.
    #[error("its contents are not those of a checkpoint: {0}")]
    Payload(#[source] serde_json::Error),
}

impl SlotError {
    /// What is added to the name of a file that is set aside.
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
