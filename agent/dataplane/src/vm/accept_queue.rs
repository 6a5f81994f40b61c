//! VMs whose sockets have connections waiting to be accepted.

use ::clock::{DeadlineQueue, Tick};

use crate::clock::SECOND;
use crate::slab::Key;

#[derive(Debug, Default)]
pub(crate) struct AcceptQueue {
    ready: Vec<Key>,
    /// VMs that made many connections in a short time, by when the next may be accepted.
    delayed: DeadlineQueue<Key>,
    /// VMs whose next connection waits for a descriptor.
    starved: Vec<Key>,
    /// When to try again for these.
    retry_at: Option<Tick>,
}

impl AcceptQueue {
    pub(crate) fn push(&mut self, vm: Key) {
        self.ready.push(vm);
    }

    pub(crate) fn ready(&self) -> &[Key] {
        &self.ready
    }

    /// The first `count` VMs have been served.
    pub(crate) fn finish(&mut self, count: usize) {
        self.ready.drain(..count);
    }

    /// Queues a VM for `due`. [`AcceptDelay`] sees to it that a VM is queued once.
    pub(crate) fn delay(&mut self, vm: Key, due: Tick) {
        self.delayed.insert(due, vm);
    }

    pub(crate) fn pop_delayed(&mut self, now: Tick) -> Option<Key> {
        self.delayed.pop(now)
    }

    /// Queues a VM until a descriptor is free, or for a second. True if no other waits.
    pub(crate) fn starve(&mut self, vm: Key, now: Tick) -> bool {
        let is_first = self.starved.is_empty();
        self.starved.push(vm);
        self.retry_at.get_or_insert(now.after(SECOND));
        is_first
    }

    /// A descriptor is free.
    pub(crate) fn retry_starved(&mut self) {
        self.ready.append(&mut self.starved);
    }

    /// Retries the VMs that wait for a descriptor if a second has passed.
    pub(crate) fn retry_due(&mut self, now: Tick) {
        if self.retry_at.is_some_and(|due| due <= now) {
            self.retry_at = None;
            self.retry_starved();
        }
    }

    /// When the next connection can be accepted without a new event.
    pub(crate) fn next_due(&self) -> Option<Tick> {
        [self.delayed.next(), self.retry_at].into_iter().flatten().min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.ready.clear();
        self.delayed.clear();
        self.starved.clear();
    }
}

/// Whether a VM's next connection is delayed, so that the VM is queued once and the delay is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AcceptDelay {
    waiting: bool,
    listed: bool,
}

impl AcceptDelay {
    /// The next connection has to wait. True if the VM is to be queued.
    pub(crate) fn start(&mut self) -> bool {
        self.waiting = true;
        !std::mem::replace(&mut self.listed, true)
    }

    /// The VM has left the queue.
    pub(crate) fn unlist(&mut self) {
        self.listed = false;
    }

    /// There is no connection after all.
    pub(crate) fn cancel(&mut self) {
        self.waiting = false;
    }

    /// The connection was accepted. True if it had to wait.
    pub(crate) fn finish(&mut self) -> bool {
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_vm_is_queued_once_also_after_a_connection_that_never_came() {
        let mut delay = AcceptDelay::default();
        assert!(delay.start());
        assert!(!delay.start(), "it is queued already");
        delay.unlist();
        delay.cancel();
        assert!(delay.start());
        delay.unlist();
        assert!(delay.start(), "it was barred in between");
        delay.unlist();
        assert!(delay.finish());
        assert!(!delay.finish());
    }
}
