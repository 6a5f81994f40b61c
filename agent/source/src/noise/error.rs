//! Why a source cannot be opened.

use std::io;
use std::path::PathBuf;

/// Opening a source failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenSource {
    /// There is no such device or file, or not for us.
    #[error("{} cannot be opened: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// It is something else than was meant: a directory, a symbolic link, a pipe.
    #[error("{} is no {wanted}", path.display())]
    WrongType { path: PathBuf, wanted: &'static str },
    /// This processor has no such instruction.
    #[error("this processor has no {instruction}")]
    NoInstruction { instruction: &'static str },
    /// The host is unknown.
    #[error("{address} cannot be resolved: {source}")]
    Resolve { address: String, source: io::Error },
    /// The upstream does not answer.
    #[error("{upstream} cannot be connected to: {source}")]
    Connect { upstream: String, source: io::Error },
}
