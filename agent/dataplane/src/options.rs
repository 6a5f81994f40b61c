//! Start options of the data plane, and why it may not start.

use std::io;
use std::path::PathBuf;

use source::Permissions;

use crate::listener::{ListenError, SocketOwner};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlaneOptions {
    /// Parent of the VMs' directories, created if it does not exist.
    pub socket_dir: PathBuf,
    /// Owner of these directories and the sockets in them.
    pub owner: SocketOwner,
    /// What sources may open, besides the kernel's generator and the processor.
    pub permissions: Permissions,
    /// File for state that survives a crash; `None`: no such state.
    pub state_file: Option<PathBuf>,
    /// Execute commands and serve nothing before [`resume_serving`](crate::DataPlaneHandle::resume_serving), while the
    /// predecessor still serves.
    pub paused: bool,
}

/// Why the data plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use the socket directory: {0}")]
    SocketDirectory(ListenError),
    #[error("cannot set up the event loop: {source}")]
    Poll { source: io::Error },
    #[error("cannot start the event loop's thread: {source}")]
    Thread { source: io::Error },
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

/// The data plane is stopping, or has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data plane is stopping")]
pub struct Stopped;
