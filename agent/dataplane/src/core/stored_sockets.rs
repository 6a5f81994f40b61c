//! The store, with the changes that it does not know yet.

use htb::Tick;

use crate::connection::Connection;
use crate::persist::{SessionFile, SessionIndex};
use crate::slab::Key;
use crate::socket_store::SocketStore;

/// A socket that the store does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unstored {
    Connection(Key),
    Listener(Key),
}

/// The store, with the changes that it does not know yet. Without one, all connections end with this process.
#[derive(Debug, Default)]
pub(crate) struct StoredSockets {
    pub(super) opened: Option<(Box<dyn SocketStore>, SessionFile)>,
    pub(super) unstored: Vec<Unstored>,
    pub(super) removed: Vec<SessionIndex>,
    /// What the store has of a process that died.
    left: Vec<SessionIndex>,
    /// The last update failed, and was logged.
    pub(super) failed: bool,
    pub(super) retry_at: Option<Tick>,
}

impl StoredSockets {
    /// `left` is what the store has of a process that died.
    pub(crate) fn new(store: Box<dyn SocketStore>, sessions: SessionFile, left: Vec<SessionIndex>) -> Self {
        Self { opened: Some((store, sessions)), left, ..Self::default() }
    }

    /// What the store has of a process that died, once.
    pub(super) fn take_left(&mut self) -> Vec<SessionIndex> {
        std::mem::take(&mut self.left)
    }

    /// Stores what a connection's session has become.
    pub(super) fn save(&mut self, connection: &Connection) {
        if let (Some((_, sessions)), Some(record)) = (&mut self.opened, connection.record()) {
            sessions.save(record, connection.session());
        }
    }

    /// The socket with this number is closed, or about to be.
    pub(super) fn release(&mut self, record: SessionIndex) {
        if let Some((_, sessions)) = &mut self.opened {
            sessions.release(record);
            self.removed.push(record);
        }
    }

    /// Of what a process that died had in the store, these numbers are used no more.
    pub(super) fn release_all(&mut self, records: impl IntoIterator<Item = SessionIndex>) {
        records.into_iter().for_each(|record| self.release(record));
    }

    pub(super) fn allocate(&mut self) -> Option<SessionIndex> {
        self.opened.as_mut()?.1.allocate()
    }

    /// When an update is due without an event.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.retry_at
    }

    pub(super) fn is_up_to_date(&self) -> bool {
        self.unstored.is_empty() && self.removed.is_empty()
    }
}
