//! Where copies of all sockets are kept beyond the end of this process.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use crate::persist::SessionIndex;

/// Keeps copies of sockets for the next process, should this one die. It also keeps the session file, which says what each
/// connection is owed.
pub trait SocketStore: Debug + Send {
    /// Keeps a new session file, and nothing of any process before.
    fn open(&mut self, sessions: &File) -> io::Result<()>;

    /// Forgets the sockets with these numbers, and keeps these others. Never waits: if it cannot do all of it now, it does
    /// nothing and returns `false`.
    fn update(&mut self, removed: &[u32], added: &[StoredSocket<BorrowedFd<'_>>]) -> io::Result<bool>;

    /// The most sockets of one update.
    fn batch(&self) -> usize;
}

/// A socket in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSocket<S> {
    /// Its number, by which it is forgotten; that of a connection is the index of its record in the session file.
    pub number: SessionIndex,
    /// The id of its VM.
    pub vm: String,
    /// What a listening socket is; `None` for a connection.
    pub listener: Option<ListenerFile>,
    pub socket: S,
}

/// The file of a listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerFile {
    /// Device and inode.
    pub file: (u64, u64),
    /// Its path, if it is not in the socket directory.
    pub elsewhere: Option<PathBuf>,
}

/// A store for a process that starts.
#[derive(Debug)]
pub struct SocketStoreLink {
    pub store: Box<dyn SocketStore>,
    /// The session file of a process that died, and the numbers of its sockets; `None`: there was none, or nothing of it can
    /// be used.
    pub left: Option<(File, Vec<u32>)>,
}
