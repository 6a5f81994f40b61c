//! The streams that are open, one a node.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct Hub {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    by_node: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    // Dropped, it tells the stream that a newer one has its place.
    _place: oneshot::Sender<()>,
}

/// A stream's place; `lost` ends when a newer stream of the node takes it.
pub(super) struct Place {
    id: u64,
    pub(super) lost: oneshot::Receiver<()>,
}

impl Hub {
    /// Gives the node's place to a stream. The newest that proves itself has it: an agent that comes back does
    /// not wait until a dead connection is noticed.
    pub(super) fn enter(&self, node: &str) -> Place {
        let (place, lost) = oneshot::channel();
        let mut streams = self.streams();
        streams.next += 1;
        let id = streams.next;
        streams.by_node.insert(node.to_owned(), Entry { id, _place: place });
        Place { id, lost }
    }

    /// Gives the place back, and says whether it was still this stream's.
    pub(super) fn leave(&self, node: &str, place: &Place) -> bool {
        let mut streams = self.streams();
        let own = streams.by_node.get(node).is_some_and(|entry| entry.id == place.id);
        if own {
            streams.by_node.remove(node);
        }
        own
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stream_of_a_node_has_its_place() {
        let hub = Hub::default();
        let mut first = hub.enter("n");
        let mut second = hub.enter("n");
        assert!(matches!(first.lost.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(second.lost.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        assert!(!hub.leave("n", &first));
        assert!(hub.leave("n", &second));
        assert!(!hub.leave("n", &second));
    }
}
