//! What stands in the way of a socket.

use std::io;
use std::net::SocketAddr;
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
    /// Others than this host could connect.
    #[error(
        "{address} is no address of the loopback interface, and TCP does not tell who connects; \
         use 127.0.0.1:{port} or [::1]:{port}", port = address.port()
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// No client could be told where.
    #[error("{address} has no port; say which, from 1 to 65535")]
    NoPort {
        /// The address.
        address: SocketAddr,
    },
    /// Another socket has the port.
    #[error("somebody listens on {address} already; stop that process, or use another port")]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The port cannot be listened on.
    #[error("nobody can listen on {address}: {source}")]
    BindPort {
        /// The address.
        address: SocketAddr,
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
            Self::NotASocket { .. } | Self::InUse { .. } | Self::Probe { .. } | Self::PortInUse { .. } => {
                "SocketInUse"
            }
            Self::NotLoopback { .. } | Self::NoPort { .. } => "InvalidAddress",
            Self::BindPort { .. } | Self::BindSocket { .. } => "BindSocket",
        }
    }
}
