//! Accepts TLS connections. Handshakes run concurrently, so that a slow one delays no other.

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

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// All agents of a large cluster reconnect at once after a restart, and a handshake takes less than a millisecond.
const CONCURRENT_HANDSHAKES: usize = 1_024;
/// The pause after an error of the socket, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A connection and its permit.
pub(crate) type Accepted = (TlsStream<TcpStream>, ConnectionCounts);

/// Accepts connections within the limits, until the receiver is dropped.
pub(crate) async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    limiter: ConnectionLimiter,
    accepted: mpsc::Sender<Accepted>,
) {
    let acceptor = TlsAcceptor::from(config);
    let handshakes = Arc::new(Semaphore::new(CONCURRENT_HANDSHAKES));
    loop {
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let connection = tokio::select! {
            connection = arrive(&listener, &limiter) => connection,
            () = accepted.closed() => return,
        };
        let (stream, permit) = match connection {
            Ok(Some(connection)) => connection,
            Ok(None) => continue,
            Err(error) => {
                warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ERROR_PAUSE).await;
                continue;
            }
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            if let Some(stream) = tls_handshake(&acceptor, stream).await {
                drop(accepted.send((stream, permit)).await);
            }
            drop(handshake);
        });
    }
}

/// The next connection; `None` if its peer has too many already.
pub(crate) async fn arrive(
    listener: &TcpListener,
    limiter: &ConnectionLimiter,
) -> io::Result<Option<(TcpStream, ConnectionCounts)>> {
    let place = limiter.place().await;
    let (stream, peer) = listener.accept().await?;
    let permit = limiter.take(place, peer.ip());
    if permit.is_none() {
        debug!(%peer, "connection closed: the peer has too many");
    }
    Ok(permit.map(|permit| (stream, permit)))
}

async fn tls_handshake(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Messages are small, and the peer waits for each.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            debug!("TLS handshake timed out");
            None
        }
    }
}
