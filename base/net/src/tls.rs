//! Accepts TLS connections. Handshakes run concurrently, so a slow one delays no other.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::evicting_listener::{EvictablePermit, EvictingListener};
use crate::listener::ACCEPT_RETRY;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

pub type AcceptedTls = (TlsStream<TcpStream>, EvictablePermit);

/// Accepts connections until the receiver is dropped. One in its handshake is evicted like any other, so that half a
/// handshake keeps nobody from the port.
pub async fn accept_tls(
    listener: EvictingListener,
    config: Arc<ServerConfig>,
    accepted: mpsc::Sender<AcceptedTls>,
) {
    let acceptor = TlsAcceptor::from(config);
    loop {
        let connection = tokio::select! {
            connection = listener.accept() => connection,
            () = accepted.closed() => return,
        };
        let (stream, mut permit) = match connection {
            Ok(connection) => connection,
            Err(error) => {
                warn!(%error, "failed to accept connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            let stream = tokio::select! {
                stream = shake_hands(&acceptor, stream) => stream,
                () = permit.evicted() => None,
            };
            if let Some(stream) = stream {
                drop(accepted.send((stream, permit)).await);
            }
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
