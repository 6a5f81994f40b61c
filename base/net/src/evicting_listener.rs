//! A port that is never full: when it has as many connections as it may have, the next one takes the place of another. So
//! a peer that opens connections and sends nothing on them costs itself a connection, and others nothing.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A listener, and the connections that it has accepted.
#[derive(Debug)]
pub struct EvictingListener {
    listener: TcpListener,
    /// Connections at a time.
    most: usize,
    open: Arc<Mutex<OpenConnections>>,
}

/// The right of a connection to be open, until it is dropped or another connection takes it.
#[derive(Debug)]
pub struct EvictablePermit {
    number: u64,
    peer: IpAddr,
    open: Arc<Mutex<OpenConnections>>,
    /// `None` once another connection has taken it.
    evicted: Option<oneshot::Receiver<()>>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    last: u64,
    /// The oldest one first.
    by_age: BTreeMap<u64, OpenConnection>,
    by_peer: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: IpAddr,
    /// Dropped to evict the connection.
    _evict: oneshot::Sender<()>,
}

impl EvictingListener {
    pub fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, most: most.max(1), open: Arc::default() }
    }

    /// Waits for a connection. If there are as many as may be, it takes the place of another one.
    pub async fn accept(&self) -> io::Result<(TcpStream, EvictablePermit)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((stream, self.permit(peer.ip())))
    }

    pub(crate) fn permit(&self, peer: IpAddr) -> EvictablePermit {
        let peer = peer.to_canonical();
        let mut open = lock(&self.open);
        let (evict, evicted) = oneshot::channel();
        let number = open.add(OpenConnection { peer, _evict: evict });
        // The new one counts: a peer that has as many as others gets no more at their cost.
        while open.by_age.len() > self.most {
            open.evict();
        }
        EvictablePermit { number, peer, open: Arc::clone(&self.open), evicted: Some(evicted) }
    }
}

impl EvictablePermit {
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Returns once another connection has taken the permit.
    pub async fn evicted(&mut self) {
        poll_fn(|cx| self.poll_evicted(cx)).await;
    }

    pub(crate) fn poll_evicted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(evicted) = &mut self.evicted {
            // An error, since nothing is ever sent.
            let _ = ready!(Pin::new(evicted).poll(cx));
            self.evicted = None;
        }
        Poll::Ready(())
    }
}

impl Drop for EvictablePermit {
    fn drop(&mut self) {
        lock(&self.open).remove(self.number);
    }
}

impl OpenConnections {
    fn add(&mut self, connection: OpenConnection) -> u64 {
        self.last += 1;
        *self.by_peer.entry(connection.peer).or_default() += 1;
        self.by_age.insert(self.last, connection);
        self.last
    }

    /// Does nothing for a connection that has been evicted.
    fn remove(&mut self, number: u64) {
        let Some(OpenConnection { peer, .. }) = self.by_age.remove(&number) else { return };
        if let Some(own) = self.by_peer.get_mut(&peer) {
            *own -= 1;
            if *own == 0 {
                self.by_peer.remove(&peer);
            }
        }
    }

    /// Evicts the oldest connection of the peer that has most of them; among peers that have as many, the oldest one.
    fn evict(&mut self) {
        let most = self.by_peer.values().max().copied().unwrap_or_default();
        let oldest = self.by_age.iter().find(|(_, connection)| self.by_peer[&connection.peer] == most);
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.remove(number);
        }
    }
}

fn lock(open: &Mutex<OpenConnections>) -> MutexGuard<'_, OpenConnections> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    pub(crate) async fn listener(most: usize) -> EvictingListener {
        EvictingListener::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), most)
    }

    fn peer(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn is_evicted(permit: &mut EvictablePermit) -> bool {
        permit.evicted.as_mut().is_none_or(|evicted| evicted.try_recv() == Err(TryRecvError::Closed))
    }

    #[tokio::test]
    async fn the_peer_with_most_connections_makes_room_and_those_with_few_keep_theirs() {
        let listener = listener(10).await;
        let mut few: Vec<_> = (1..=3).map(|last| listener.permit(peer(last))).collect();
        let mut many: Vec<_> = (0..1_000).map(|_| listener.permit(peer(9))).collect();
        assert!(!few.iter_mut().any(is_evicted));
        // The same host by its other spelling.
        let mapped = Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped().into();
        many.push(listener.permit(mapped));
        let kept = many.iter_mut().filter_map(|permit| (!is_evicted(permit)).then_some(permit.number));
        assert_eq!(kept.collect::<Vec<_>>(), (998..=1_004).collect::<Vec<_>>());
        drop((few, many));
        let open = lock(&listener.open);
        assert!(open.by_age.is_empty() && open.by_peer.is_empty());
    }

    #[tokio::test]
    async fn each_of_many_peers_has_its_share() {
        let listener = listener(64).await;
        let mut own: Vec<_> = (0..4).map(|_| listener.permit(peer(200))).collect();
        let mut others = Vec::new();
        for connection in 0..10_000_u32 {
            others.push(listener.permit(peer(u8::try_from(connection % 15).unwrap())));
        }
        assert!(!own.iter_mut().any(is_evicted));
        assert_eq!(others.iter_mut().map(|permit| is_evicted(permit)).filter(|evicted| !evicted).count(), 60);
    }
}
