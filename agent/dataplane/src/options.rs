//! What a server is started with, and why it may not start.

use std::io;
use std::path::PathBuf;

use source::Permissions;

use crate::listener::ListenError;
use crate::listener::SocketOwner;

/// What a server needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlaneOptions {
    /// Every VM gets a directory in here; it is made if it is missing.
    pub socket_dir: PathBuf,
    /// Who owns these directories and the sockets in them.
    pub owner: SocketOwner,
    /// What pools may open besides the kernel's generator and the processor.
    pub permissions: Permissions,
    /// Where what a crash must not forget is noted; `None`: nowhere.
    pub state_file: Option<PathBuf>,
    /// Serve nothing before [`take_over`](crate::Server::take_over): another process does.
    pub paused: bool,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Sockets cannot be made where they are wanted.
    #[error("sockets cannot be made: {0}")]
    SocketDirectory(ListenError),
    /// The kernel gives no event queue.
    #[error("the event loop cannot be set up: {source}")]
    Poll {
        /// Why.
        source: io::Error,
    },
    /// The kernel gives no thread.
    #[error("the event loop's thread cannot be started: {source}")]
    Thread {
        /// Why.
        source: io::Error,
    },
}

impl StartError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::SocketDirectory(error) => error.reason(),
            Self::Poll { .. } => "NoEventQueue",
            Self::Thread { .. } => "NoThread",
        }
    }
}

/// The server is on its way out, or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopped;
