//! Connections, each with its handshake done: a slow one delays no other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::connection_limiter::{ConnectionCounts, ConnectionLimiter};

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time. All agents of a large cluster come back at once after a restart, and each
/// costs less than a millisecond.
const AT_ONCE: usize = 1_024;
/// After an error of the socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection and its place.
pub(crate) type Accepted = (TlsStream<TcpStream>, ConnectionCounts);

/// Accepts those who find a place, until the receiver goes.
pub(crate) async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    crowd: ConnectionLimiter,
    accepted: mpsc::Sender<Accepted>,
) {
    let acceptor = TlsAcceptor::from(config);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let arrived = tokio::select! {
            arrived = arrive(&listener, &crowd) => arrived,
            () = accepted.closed() => return,
        };
        let (stream, taken) = match arrived {
            Ok(Some(arrived)) => arrived,
            Ok(None) => continue,
            Err(error) => {
                warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            if let Some(stream) = shake_hands(&acceptor, stream).await {
                drop(accepted.send((stream, taken)).await);
            }
            drop(turn);
        });
    }
}

/// The next who comes; nothing if it has too many already.
pub(crate) async fn arrive(
    listener: &TcpListener,
    crowd: &ConnectionLimiter,
) -> io::Result<Option<(TcpStream, ConnectionCounts)>> {
    let place = crowd.place().await;
    let (stream, peer) = listener.accept().await?;
    let taken = crowd.take(place, peer.ip());
    if taken.is_none() {
        debug!(%peer, "hung up on: it has too many connections");
    }
    Ok(taken.map(|taken| (stream, taken)))
}

async fn shake_hands(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Small messages that somebody waits for.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            debug!(%error, "a handshake failed");
            None
        }
        Err(_) => {
            debug!("a handshake took too long");
            None
        }
    }
}
