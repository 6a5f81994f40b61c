//! The lengths of the queues, for metrics.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One count per queue.
#[derive(Debug, Default)]
pub(crate) struct QueueDepths {
    /// Agents that wait to be admitted.
    pub(crate) streams: Queue,
    /// Objects with a status to write as soon as the rate limit allows.
    pub(crate) statuses: Queue,
    /// Nodes with a label or extended resources to write.
    pub(crate) nodes: Queue,
}

/// The number of entries that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue(AtomicUsize);

/// An entry that waits; dropping it removes it from the count.
pub(crate) struct WaitGuard<'q>(&'q Queue);

impl QueueDepths {
    /// The length of each queue, by name.
    pub(crate) fn waiting(&self) -> [(&'static str, i64); 3] {
        let all = [("streams", &self.streams), ("statuses", &self.statuses), ("nodes", &self.nodes)];
        // No queue is that long.
        all.map(|(name, queue)| (name, i64::try_from(queue.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX)))
    }
}

impl Queue {
    /// Sets the number of entries.
    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Counts an entry until the returned guard is dropped.
    pub(crate) fn join(&self) -> WaitGuard<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        WaitGuard(self)
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_waits_no_longer() {
        let queues = QueueDepths::default();
        queues.nodes.set(7);
        let waiting = [queues.streams.join(), queues.streams.join()];
        assert_eq!(queues.waiting(), [("streams", 2), ("statuses", 0), ("nodes", 7)]);
        drop(waiting);
        assert_eq!(queues.waiting()[0], ("streams", 0));
    }
}
