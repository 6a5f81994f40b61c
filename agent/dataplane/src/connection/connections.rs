//! All connections, and the work lists that they are on. A connection is on each list at most once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ::clock::{DeadlineQueue, Tick};

use super::Connection;
use crate::slab::{Key, Slab};

#[derive(Debug)]
pub(crate) struct Connections {
    slab: Slab<Connection>,
    /// May have received something.
    read: Vec<Key>,
    /// Their VM has used up its read budget of this batch: they come first in the next.
    deferred: Vec<Key>,
    /// Have something to be written.
    write: Vec<Key>,
    /// Perhaps done, since their peer has shut down its side: they are closed at the end of the batch if they are.
    done: Vec<Key>,
    /// Wait for their supply to have bytes.
    dry: Vec<Key>,
    /// In the middle of a command, by when it must be complete.
    timeouts: DeadlineQueue<Key>,
    /// Have a 0x01 that waits, or have had one, by when it is answered.
    non_blocking_reads: BinaryHeap<Reverse<(Tick, Key)>>,
    /// May be pushed something, by when to check them.
    pushes: BinaryHeap<Reverse<(Tick, Key)>>,
}

impl Connections {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            read: Vec::new(),
            deferred: Vec::new(),
            write: Vec::new(),
            done: Vec::new(),
            dry: Vec::new(),
            timeouts: DeadlineQueue::default(),
            non_blocking_reads: BinaryHeap::new(),
            pushes: BinaryHeap::new(),
        }
    }

    pub(crate) fn insert(&mut self, connection: Connection) -> Key {
        self.slab.insert(connection)
    }

    /// Lists that it is on skip it later.
    pub(crate) fn remove(&mut self, key: Key) {
        self.slab.remove(key);
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Connection> {
        self.slab.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Connection> {
        self.slab.get_mut(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.slab.iter().map(|(key, _)| key).collect()
    }

    /// Whether nothing is to be read or written without a new event.
    pub(crate) fn is_idle(&self) -> bool {
        self.read.is_empty() && self.write.is_empty()
    }

    pub(crate) fn schedule_read(&mut self, key: Key) {
        if let Some(connection) = self.slab.get_mut(key).filter(|connection| !connection.listed.read) {
            connection.listed.read = true;
            self.read.push(key);
        }
    }

    /// Keeps a connection of this batch's list for the next one.
    pub(crate) fn defer_read(&mut self, key: Key) {
        self.deferred.push(key);
    }

    pub(crate) fn to_read(&self) -> &[Key] {
        &self.read
    }

    /// The first `count` connections were read from or deferred. Deferred ones go in front of those that have more, so
    /// that the connections of a VM take turns.
    pub(crate) fn finish_reads(&mut self, count: usize) {
        self.read.drain(..count);
        self.deferred.append(&mut self.read);
        std::mem::swap(&mut self.deferred, &mut self.read);
    }

    pub(crate) fn schedule_write(&mut self, key: Key) {
        if let Some(connection) = self.slab.get_mut(key).filter(|connection| !connection.listed.write) {
            connection.listed.write = true;
            self.write.push(key);
        }
    }

    pub(crate) fn to_write(&self) -> &[Key] {
        &self.write
    }

    /// The connection at this position of the list, unless it has been closed. It may be scheduled again.
    pub(crate) fn start_write(&mut self, at: usize) -> Option<Key> {
        let key = self.write[at];
        self.slab.get_mut(key)?.listed.write = false;
        Some(key)
    }

    pub(crate) fn finish_writes(&mut self, count: usize) {
        self.write.drain(..count);
    }

    /// Schedules a look at the end of the batch whether a connection is done.
    pub(crate) fn schedule_close(&mut self, key: Key) {
        self.done.push(key);
    }

    pub(crate) fn pop_close(&mut self) -> Option<Key> {
        self.done.pop()
    }

    /// Schedules a write for when the supply has bytes again.
    pub(crate) fn schedule_dry(&mut self, key: Key) {
        if let Some(connection) = self.slab.get_mut(key).filter(|connection| !connection.listed.dry) {
            connection.listed.dry = true;
            self.dry.push(key);
        }
    }

    /// Schedules writes for all connections that wait for their supply, the oldest grants first.
    pub(crate) fn retry_dry(&mut self) {
        for key in std::mem::take(&mut self.dry) {
            if let Some(connection) = self.slab.get_mut(key) {
                connection.listed.dry = false;
                self.schedule_write(key);
            }
        }
    }

    /// Schedules the timeout of the command that a connection is in the middle of, if any.
    pub(crate) fn schedule_timeout(&mut self, key: Key) {
        let Some(connection) = self.slab.get_mut(key) else { return };
        // Listed once, however many commands it begins until then: a guest must not be able to grow the list.
        if let Some(due) = connection.command_timeout.due().filter(|_| !connection.listed.timeout) {
            connection.listed.timeout = true;
            self.timeouts.insert(due, key);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Tick> {
        self.timeouts.next()
    }

    /// A connection whose command is overdue. One that has begun another command since is scheduled again.
    pub(crate) fn pop_timed_out(&mut self, now: Tick) -> Option<Key> {
        while let Some(key) = self.timeouts.pop(now) {
            let Some(connection) = self.slab.get_mut(key) else { continue };
            connection.listed.timeout = false;
            if connection.command_timeout.due().is_some_and(|due| due <= now) {
                return Some(key);
            }
            self.schedule_timeout(key);
        }
        None
    }

    /// Schedules the answer to a connection's 0x01, if one waits. Listed once, however many it sends until then.
    pub(crate) fn schedule_non_blocking_read(&mut self, key: Key) {
        let due = self.slab.get_mut(key).and_then(Connection::list_non_blocking_read);
        self.non_blocking_reads.extend(due.map(|due| Reverse((due, key))));
    }

    /// When the first 0x01 must be answered. Those that have been answered since are dropped here, so that the loop does
    /// not wake for them, and a connection whose next one waits is listed again.
    pub(crate) fn next_non_blocking_read(&mut self) -> Option<Tick> {
        while let Some(&Reverse((listed, key))) = self.non_blocking_reads.peek() {
            if self.slab.get(key).and_then(Connection::non_blocking_due) == Some(listed) {
                return Some(listed);
            }
            self.unlist_non_blocking_read();
            self.schedule_non_blocking_read(key);
        }
        None
    }

    /// A connection whose 0x01 has waited as long as it may.
    pub(crate) fn pop_non_blocking_read(&mut self, now: Tick) -> Option<Key> {
        self.next_non_blocking_read().filter(|&due| due <= now)?;
        self.unlist_non_blocking_read()
    }

    fn unlist_non_blocking_read(&mut self) -> Option<Key> {
        let Reverse((_, key)) = self.non_blocking_reads.pop()?;
        self.slab.get_mut(key)?.unlist_non_blocking_read();
        Some(key)
    }

    /// Schedules a connection's next push, unless its push phase is over.
    pub(crate) fn schedule_push(&mut self, key: Key) {
        let due = self.slab.get(key).and_then(|connection| connection.unsolicited.due());
        self.pushes.extend(due.map(|due| Reverse((due, key))));
    }

    /// When the first push is due. Connections that have sent a request or closed since are dropped here, so that the loop
    /// does not wake for them.
    pub(crate) fn next_push(&mut self) -> Option<Tick> {
        while let Some(&Reverse((due, key))) = self.pushes.peek() {
            let connection = self.slab.get(key);
            if connection.is_some_and(|connection| connection.unsolicited.due().is_some()) {
                return Some(due);
            }
            self.pushes.pop();
        }
        None
    }

    pub(crate) fn pop_push(&mut self, now: Tick) -> Option<Key> {
        self.next_push().filter(|&due| due <= now)?;
        self.pushes.pop().map(|Reverse((_, key))| key)
    }
}
