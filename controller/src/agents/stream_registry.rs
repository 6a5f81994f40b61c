//! The streams that are open, one a node.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use delivery::agent_auth::{AgentIdentity, AuthError};
use tokio::sync::oneshot;

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct StreamRegistry {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    next: u64,
    by_node: BTreeMap<String, StreamEntry>,
}

#[derive(Debug)]
struct StreamEntry {
    id: u64,
    agent: AgentIdentity,
    // Dropped, it tells the stream that a newer one has its place. None, once the stream was told to end.
    place: Option<oneshot::Sender<AuthError>>,
}

/// A stream's place; `lost` says why the agent is no longer believed, or ends when a newer stream of the node takes
/// the place.
pub(super) struct RegisteredStream {
    id: u64,
    pub(super) lost: oneshot::Receiver<AuthError>,
}

impl StreamRegistry {
    /// Gives the node's place to a stream. The newest that proves itself has it: an agent that comes back does
    /// not wait until a dead connection is noticed.
    pub(super) fn enter(&self, agent: &AgentIdentity) -> RegisteredStream {
        let (place, lost) = oneshot::channel();
        let mut streams = self.streams();
        streams.next += 1;
        let id = streams.next;
        let entry = StreamEntry { id, agent: agent.clone(), place: Some(place) };
        streams.by_node.insert(agent.node.clone(), entry);
        RegisteredStream { id, lost }
    }

    /// Gives the place back, and says whether it was still this stream's.
    pub(super) fn leave(&self, node: &str, place: &RegisteredStream) -> bool {
        let mut streams = self.streams();
        let own = streams.by_node.get(node).is_some_and(|entry| entry.id == place.id);
        if own {
            streams.by_node.remove(node);
        }
        own
    }

    /// Ends the streams of agents that are no longer believed.
    pub(super) fn end_unless(&self, believed: impl Fn(&AgentIdentity) -> Result<(), AuthError>) {
        for entry in self.streams().by_node.values_mut() {
            if let Err(denied) = believed(&entry.agent)
                && let Some(place) = entry.place.take()
            {
                // It may be ending by itself.
                let _ = place.send(denied);
            }
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(uid: &str) -> AgentIdentity {
        AgentIdentity { node: "n".to_owned(), pod: "p".to_owned(), uid: uid.to_owned() }
    }

    #[test]
    fn a_stream_whose_agent_is_not_believed_is_told_so_once_and_keeps_its_place_until_it_leaves() {
        let hub = StreamRegistry::default();
        let mut place = hub.enter(&agent("1"));
        hub.end_unless(|_| Ok(()));
        assert!(place.lost.try_recv().is_err());
        hub.end_unless(|_| Err(AuthError::OtherAgent));
        hub.end_unless(|_| Err(AuthError::NoToken));
        assert_eq!(place.lost.try_recv(), Ok(AuthError::OtherAgent));
        assert!(hub.leave("n", &place));
    }

    #[test]
    fn the_newest_stream_of_a_node_has_its_place() {
        let hub = StreamRegistry::default();
        let mut first = hub.enter(&agent("1"));
        let mut second = hub.enter(&agent("2"));
        assert!(matches!(first.lost.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(second.lost.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        assert!(!hub.leave("n", &first));
        assert!(hub.leave("n", &second));
        assert!(!hub.leave("n", &second));
    }
}
