//! Accepts TLS connections. Handshakes run concurrently, so a slow one delays no other.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::connection_limiter::{ConnectionLimiter, Permit};
use crate::listener::ACCEPT_RETRY;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time. All agents of a large cluster reconnect at once after a restart, and each handshake
/// costs less than a millisecond.
const HANDSHAKES: usize = 1_024;

pub type AcceptedTls = (TlsStream<TcpStream>, Permit);

/// Accepts connections within the limiter's bounds until the receiver is dropped.
pub async fn accept_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    limiter: ConnectionLimiter,
    accepted: mpsc::Sender<AcceptedTls>,
) {
    let acceptor = TlsAcceptor::from(config);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let connection = tokio::select! {
            connection = limiter.accept(&listener) => connection,
            () = accepted.closed() => return,
        };
        let (stream, permit) = match connection {
            Ok(Some(connection)) => connection,
            Ok(None) => continue,
            Err(error) => {
                warn!(%error, "failed to accept connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            if let Some(stream) = shake_hands(&acceptor, stream).await {
                drop(accepted.send((stream, permit)).await);
            }
            drop(handshake);
        });
    }
}

async fn shake_hands(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Messages are small and awaited.
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
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
