//! How many connections there are at a time, and how many of them one peer may have: whoever misbehaves takes nobody else's
//! place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a port has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Connections at a time. Who comes beyond that waits in the kernel's queue.
    pub(crate) all: usize,
    /// While there are no more than this, anybody may have any number of them.
    pub(crate) free: usize,
    /// Beyond that, so many a peer; who has more is hung up on when it comes with another. The pod itself is no peer.
    pub(crate) each: usize,
}

/// The connections of a port.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimiter {
    room: ConnectionLimits,
    places: Arc<Semaphore>,
    peers: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A place for one more, whoever comes.
pub(crate) struct ConnectionPermit(OwnedSemaphorePermit);

/// A place that somebody has. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct ConnectionCounts {
    _place: OwnedSemaphorePermit,
    peer: IpAddr,
    peers: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl ConnectionLimiter {
    /// Of nobody yet.
    pub(crate) fn new(room: ConnectionLimits) -> Self {
        Self { room, places: Arc::new(Semaphore::new(room.all)), peers: Arc::default() }
    }

    /// Waits until there is a place.
    pub(crate) async fn place(&self) -> ConnectionPermit {
        ConnectionPermit(Arc::clone(&self.places).acquire_owned().await.expect("nobody closes it"))
    }

    /// Gives a place to whoever came for it, unless it has too many.
    pub(crate) fn take(&self, place: ConnectionPermit, peer: IpAddr) -> Option<ConnectionCounts> {
        let peer = peer.to_canonical();
        let taken = self.room.all - self.places.available_permits();
        let mut peers = lock(&self.peers);
        let own = peers.get(&peer).copied().unwrap_or_default();
        // The place is counted already.
        let may = taken <= self.room.free || own < self.room.each || is_own(peer);
        if !may {
            return None;
        }
        peers.insert(peer, own + 1);
        Some(ConnectionCounts { _place: place.0, peer, peers: Arc::clone(&self.peers) })
    }
}

impl ConnectionCounts {
    /// Who has it.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }
}

/// Whether it is this pod itself.
fn is_own(peer: IpAddr) -> bool {
    peer == Ipv4Addr::LOCALHOST || peer == Ipv6Addr::LOCALHOST
}

impl Drop for ConnectionCounts {
    fn drop(&mut self) {
        let mut peers = lock(&self.peers);
        if let Some(own) = peers.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

fn lock(peers: &Mutex<BTreeMap<IpAddr, usize>>) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: ConnectionLimits = ConnectionLimits { all: 10, free: 5, each: 2 };

    async fn come(crowd: &ConnectionLimiter, peer: u8, times: usize) -> Vec<ConnectionCounts> {
        let mut taken = Vec::new();
        for _ in 0..times {
            let place = crowd.place().await;
            taken.extend(crowd.take(place, Ipv4Addr::new(192, 0, 2, peer).into()));
        }
        taken
    }

    #[tokio::test]
    async fn one_peer_takes_what_is_free_and_leaves_a_few_to_each_of_the_others() {
        let crowd = ConnectionLimiter::new(ROOM);
        let first = come(&crowd, 1, 30).await;
        assert_eq!(first.len(), 5);
        let second = come(&crowd, 2, 30).await;
        assert_eq!(second.len(), 2);
        // The same host by its other spelling.
        let mapped = Ipv4Addr::new(192, 0, 2, 2).to_ipv6_mapped().into();
        assert!(crowd.take(crowd.place().await, mapped).is_none());
        assert_eq!(come(&crowd, 3, 30).await.len(), 2);
        drop((first, second));
        assert!(lock(&crowd.peers).is_empty());
        assert_eq!(come(&crowd, 2, 30).await.len(), 5);
    }

    #[tokio::test]
    async fn who_comes_to_a_full_port_waits_until_somebody_leaves() {
        let crowd = ConnectionLimiter::new(ROOM);
        let mut all = Vec::new();
        for peer in 1..=10 {
            all.extend(come(&crowd, peer, 1).await);
        }
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, crowd.place()).await.is_err());
        all.pop();
        assert_eq!(come(&crowd, 11, 1).await.len(), 1);
    }
}
