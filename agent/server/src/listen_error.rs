//! What stands in the way of a socket.

use std::io;
use std::path::PathBuf;

/// Why a socket could not be made. Each sentence names the path.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The directory could not be made.
    #[error("directory {path} cannot be made: {source}", path = path.display())]
    MakeDirectory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that is no directory is in the way.
    #[error("{path} is not a directory; remove it, or choose another socket directory", path = path.display())]
    NotADirectory {
        /// Which.
        path: PathBuf,
    },
    /// Sockets cannot be made there.
    #[error("directory {path} cannot be written to: {source}", path = path.display())]
    NoRights {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Owner or mode could not be set.
    #[error("owner and mode of {path} cannot be set: {source}", path = path.display())]
    SetRights {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that is no socket has the socket's name.
    #[error("{path} exists and is not a socket; remove it", path = path.display())]
    NotASocket {
        /// Which.
        path: PathBuf,
    },
    /// Another process serves this VM.
    #[error(
        "somebody listens on {path} already; stop that process, or use another socket directory",
        path = path.display()
    )]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// It could not be told whether somebody listens on a socket that exists.
    #[error("{path} exists, and whether it is in use cannot be told: {source}", path = path.display())]
    Probe {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket could not be made, bound or renamed.
    #[error("socket {path} cannot be bound: {source}", path = path.display())]
    BindSocket {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ListenError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MakeDirectory { .. } | Self::NotADirectory { .. } | Self::NoRights { .. } => {
                "SocketDirectory"
            }
            Self::SetRights { .. } => "SocketRights",
            Self::NotASocket { .. } | Self::InUse { .. } | Self::Probe { .. } => "SocketInUse",
            Self::BindSocket { .. } => "BindSocket",
        }
    }
}
