//! The open streams, one for each node.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use delivery::agent_auth::{AgentIdentity, AuthError};
use tokio::sync::oneshot;

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
    // Dropped when a newer stream replaces this one; None once the stream has been evicted.
    evict: Option<oneshot::Sender<AuthError>>,
}

/// The registration of a stream. `evicted` receives the reason if the agent is no longer authenticated, and is closed
/// if a newer stream of the node replaces this one.
pub(super) struct RegisteredStream {
    id: u64,
    pub(super) evicted: oneshot::Receiver<AuthError>,
}

impl StreamRegistry {
    /// Registers a stream. The newest authenticated stream of a node replaces the others, so that an agent that
    /// reconnects need not wait until a dead connection is detected.
    pub(super) fn register(&self, agent: &AgentIdentity) -> RegisteredStream {
        let (evict, evicted) = oneshot::channel();
        let mut streams = self.streams();
        streams.next += 1;
        let id = streams.next;
        let entry = StreamEntry { id, agent: agent.clone(), evict: Some(evict) };
        streams.by_node.insert(agent.node.clone(), entry);
        RegisteredStream { id, evicted }
    }

    /// Removes a stream. Returns false if a newer one has replaced it.
    pub(super) fn deregister(&self, node: &str, stream: &RegisteredStream) -> bool {
        let mut streams = self.streams();
        let registered = streams.by_node.get(node).is_some_and(|entry| entry.id == stream.id);
        if registered {
            streams.by_node.remove(node);
        }
        registered
    }

    /// Evicts the streams of agents for which `check` fails.
    pub(super) fn evict_unless(&self, check: impl Fn(&AgentIdentity) -> Result<(), AuthError>) {
        for entry in self.streams().by_node.values_mut() {
            if let Err(denied) = check(&entry.agent)
                && let Some(evict) = entry.evict.take()
            {
                // An error means that the stream has just ended.
                let _ = evict.send(denied);
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
    fn a_stream_is_evicted_once_and_stays_registered_until_it_ends() {
        let registry = StreamRegistry::default();
        let mut stream = registry.register(&agent("1"));
        registry.evict_unless(|_| Ok(()));
        assert!(stream.evicted.try_recv().is_err());
        registry.evict_unless(|_| Err(AuthError::OtherAgent));
        registry.evict_unless(|_| Err(AuthError::NoToken));
        assert_eq!(stream.evicted.try_recv(), Ok(AuthError::OtherAgent));
        assert!(registry.deregister("n", &stream));
    }

    #[test]
    fn the_newest_stream_of_a_node_replaces_the_others() {
        let registry = StreamRegistry::default();
        let mut first = registry.register(&agent("1"));
        let mut second = registry.register(&agent("2"));
        assert!(matches!(first.evicted.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(second.evicted.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        assert!(!registry.deregister("n", &first));
        assert!(registry.deregister("n", &second));
        assert!(!registry.deregister("n", &second));
    }
}
