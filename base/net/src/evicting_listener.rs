//! A port that is never full: when it has as many connections as it may have, the next one takes the place of another. So
//! whoever opens connections and says nothing on them costs himself a connection, and the others nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A listener, and the connections that it has accepted.
#[derive(Debug)]
pub(crate) struct EvictingListener {
    listener: TcpListener,
    /// Connections at a time.
    most: usize,
    open: Arc<Mutex<OpenConnections>>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    last: u64,
    /// Oldest first.
    by_age: BTreeMap<u64, OpenConnection>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: IpAddr,
    task: AbortHandle,
}

impl EvictingListener {
    pub(crate) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, most: most.max(1), open: Arc::default() }
    }

    /// Waits for a connection, and serves it in a task that ends when another one takes its place.
    pub(crate) async fn accept<F>(&self, serve: impl FnOnce(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stream, peer) = self.listener.accept().await?;
        let peer = peer.ip().to_canonical();
        let served = serve(stream);
        // The task waits for this lock before it ends.
        let mut open = lock(&self.open);
        while open.by_age.len() >= self.most {
            open.evict();
        }
        open.last += 1;
        let (number, all) = (open.last, Arc::clone(&self.open));
        let task = tokio::spawn(async move {
            served.await;
            lock(&all).by_age.remove(&number);
        });
        open.by_age.insert(number, OpenConnection { peer, task: task.abort_handle() });
        Ok(())
    }
}

impl OpenConnections {
    /// Ends the oldest connection of the peer that has most of them; among peers that have as many, the oldest one.
    fn evict(&mut self) {
        let mut by_peer: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for connection in self.by_age.values() {
            *by_peer.entry(connection.peer).or_default() += 1;
        }
        let most = by_peer.values().max().copied().unwrap_or_default();
        let evicted = self.by_age.iter().find(|(_, connection)| by_peer[&connection.peer] == most);
        let evicted = evicted.map(|(number, _)| *number);
        if let Some(OpenConnection { task, .. }) = evicted.and_then(|number| self.by_age.remove(&number)) {
            task.abort();
        }
    }
}

fn lock(open: &Mutex<OpenConnections>) -> MutexGuard<'_, OpenConnections> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
