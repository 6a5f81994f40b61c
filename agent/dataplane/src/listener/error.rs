//! Why a socket cannot be created.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a socket cannot be created. Each message names the path or address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot create directory {path}: {source}", path = path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },
    #[error("{path} is not a directory; remove it, or choose another socket directory", path = path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot create sockets in directory {path}: {source}", path = path.display())]
    NoRights { path: PathBuf, source: io::Error },
    #[error("cannot set owner and mode of {path}: {source}", path = path.display())]
    SetRights { path: PathBuf, source: io::Error },
    #[error("{path} exists and is not a socket; remove it", path = path.display())]
    NotASocket { path: PathBuf },
    #[error(
        "another process listens on {path}; stop it, or use another socket directory",
        path = path.display()
    )]
    InUse { path: PathBuf },
    #[error("{path} exists, and cannot be checked for a listener: {source}", path = path.display())]
    Probe { path: PathBuf, source: io::Error },
    #[error(
        "{address} is not a loopback address, and TCP does not identify its peer; \
         use 127.0.0.1:{port} or [::1]:{port}", port = address.port()
    )]
    NotLoopback { address: SocketAddr },
    #[error("{address} has no port; give one from 1 to 65535")]
    NoPort { address: SocketAddr },
    #[error("another process listens on {address}; stop it, or use another port")]
    PortInUse { address: SocketAddr },
    #[error("cannot listen on {address}: {source}")]
    BindPort { address: SocketAddr, source: io::Error },
    #[error("cannot bind socket {path}: {source}", path = path.display())]
    BindSocket { path: PathBuf, source: io::Error },
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
