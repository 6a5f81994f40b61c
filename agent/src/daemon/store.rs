//! The supervisor's store of sockets, and what it has of a worker that died.

use dataplane::{SocketStoreLink, recover};

use crate::handover::HandoverSource;
use crate::supervisor::{LeftSockets, Worker};

/// The store for this process, and the worker that died as what it takes over from, if there is one.
pub(super) fn open_store(worker: &mut Worker) -> (Option<SocketStoreLink>, Option<HandoverSource>) {
    let Some((client, LeftSockets { sessions, sockets })) = worker.take_store() else { return (None, None) };
    let store = Box::new(client);
    let Some(sessions) = sessions.filter(|_| !sockets.is_empty()) else {
        return (Some(SocketStoreLink { store, left: None }), None);
    };
    let numbers = sockets.iter().map(|socket| socket.number).collect();
    match recover(&sessions, sockets) {
        Ok(vms) => {
            let link = SocketStoreLink { store, left: Some((sessions, numbers)) };
            (Some(link), Some(HandoverSource::Died(vms)))
        }
        Err(error) => {
            tracing::warn!(%error, "failed to continue the connections of the worker that died");
            (Some(SocketStoreLink { store, left: None }), None)
        }
    }
}
