//! Limits the connections of a port, in total and per peer, so that a misbehaving peer cannot use up all slots.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at a time. Further ones wait in the kernel's queue, where they cost us nothing.
    pub total: usize,
    /// While no more than this many are open, one peer may have all of them.
    pub unshared: usize,
    /// Beyond that, connections per peer; one more is closed as soon as it is accepted. Loopback is not limited.
    pub per_peer: usize,
}

impl ConnectionLimits {
    /// For ports whose peers cannot be told apart, such as Unix sockets.
    pub const fn total(total: usize) -> Self {
        Self { total, unshared: total, per_peer: total }
    }
}

#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    limits: ConnectionLimits,
    slots: Arc<Semaphore>,
    peers: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A slot for one connection, of any peer. Dropped, it is free again.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// The slot of a peer's connection. Dropped, it is free again.
#[derive(Debug)]
pub struct Permit {
    _slot: Slot,
    peer: IpAddr,
    peers: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl ConnectionLimiter {
    pub fn new(limits: ConnectionLimits) -> Self {
        Self { limits, slots: Arc::new(Semaphore::new(limits.total)), peers: Arc::default() }
    }

    /// Waits for a free slot.
    #[expect(clippy::missing_panics_doc, reason = "the semaphore is never closed")]
    pub async fn slot(&self) -> Slot {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        Slot { _permit: permit.expect("the semaphore is never closed") }
    }

    /// Gives a slot to a peer, unless it has too many.
    pub fn admit(&self, slot: Slot, peer: IpAddr) -> Option<Permit> {
        let peer = peer.to_canonical();
        // Including the slot at hand.
        let taken = self.limits.total - self.slots.available_permits();
        let mut peers = lock(&self.peers);
        let own = peers.get(&peer).copied().unwrap_or_default();
        let admitted = taken <= self.limits.unshared || own < self.limits.per_peer || is_loopback(peer);
        if !admitted {
            return None;
        }
        peers.insert(peer, own + 1);
        Some(Permit { _slot: slot, peer, peers: Arc::clone(&self.peers) })
    }

    /// Waits for a free slot and then for a connection; `None` if its peer has too many already.
    pub async fn accept(&self, listener: &TcpListener) -> io::Result<Option<(TcpStream, Permit)>> {
        let slot = self.slot().await;
        let (stream, peer) = listener.accept().await?;
        let permit = self.admit(slot, peer.ip());
        if permit.is_none() {
            debug!(%peer, "closed connection: the peer has too many");
        }
        Ok(permit.map(|permit| (stream, permit)))
    }
}

impl Permit {
    pub fn peer(&self) -> IpAddr {
        self.peer
    }
}

fn is_loopback(peer: IpAddr) -> bool {
    peer == Ipv4Addr::LOCALHOST || peer == Ipv6Addr::LOCALHOST
}

impl Drop for Permit {
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

    const LIMITS: ConnectionLimits = ConnectionLimits { total: 10, unshared: 5, per_peer: 2 };

    async fn connect(limiter: &ConnectionLimiter, peer: u8, times: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        for _ in 0..times {
            let slot = limiter.slot().await;
            permits.extend(limiter.admit(slot, Ipv4Addr::new(192, 0, 2, peer).into()));
        }
        permits
    }

    #[tokio::test]
    async fn one_peer_takes_what_is_unshared_and_leaves_a_few_to_each_of_the_others() {
        let limiter = ConnectionLimiter::new(LIMITS);
        let first = connect(&limiter, 1, 30).await;
        assert_eq!(first.len(), 5);
        let second = connect(&limiter, 2, 30).await;
        assert_eq!(second.len(), 2);
        // The same host by its other spelling.
        let mapped = Ipv4Addr::new(192, 0, 2, 2).to_ipv6_mapped().into();
        assert!(limiter.admit(limiter.slot().await, mapped).is_none());
        assert_eq!(connect(&limiter, 3, 30).await.len(), 2);
        drop((first, second));
        assert!(lock(&limiter.peers).is_empty());
        assert_eq!(connect(&limiter, 2, 30).await.len(), 5);
    }

    #[tokio::test]
    async fn a_full_port_accepts_the_next_connection_when_one_ends() {
        let limiter = ConnectionLimiter::new(LIMITS);
        let mut permits = Vec::new();
        for peer in 1..=10 {
            permits.extend(connect(&limiter, peer, 1).await);
        }
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, limiter.slot()).await.is_err());
        permits.pop();
        assert_eq!(connect(&limiter, 11, 1).await.len(), 1);
    }
}
