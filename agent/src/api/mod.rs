//! The local API, for people, hooks and scripts on this host.

mod service;
pub(crate) mod sources;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod to_proto;

use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use net::{ConnectionLimiter, ConnectionLimits, FirstByteTimeout};
use proto::local::local_server::LocalServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use self::service::Service;
use crate::agent::Agent;
use crate::signals::{SignalRequest, Signals};
use crate::unix_socket::{ApiSocket, BoundSocket};

pub(crate) use service::Host;

/// Connections at once. The next one waits to be accepted: the kernel queues it at no cost to the daemon.
const CONNECTIONS: usize = 64;
/// How long a caller may take for its first byte. All are on this host, and have something to say.
const FIRST_BYTE: Duration = Duration::from_secs(1);
/// Calls of one caller that are answered at once.
const CALLS: u32 = 8;
/// The longest request: names, and little else.
const REQUEST: usize = 64 * 1024;
/// The longest headers of a request.
const HEADERS: u32 = 16 * 1024;
/// The keepalive interval and timeout: a caller that is silent for the one is pinged, and must answer within the
/// other. Otherwise a stopped caller would keep its slot.
const ALIVE: Duration = Duration::from_secs(20);
/// Calls that wait for the data plane or the file system.
const WAITING: usize = 16;

/// The pause after a failure to accept a connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the local API cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalApiError {
    /// The thread could not be made.
    #[error("the thread of the local API cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// Its runtime, its socket or its signals could not be set up.
    #[error("the local API cannot be set up: {0}")]
    Setup(#[source] io::Error),
}

/// The thread of the local API and of signals. It sleeps while there is nothing to do.
#[derive(Debug)]
pub(crate) struct LocalApi {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    /// Removed from the file system when the API stops.
    socket: ApiSocket,
}

impl LocalApi {
    /// Serves on `socket`, and on `address` if there is one, and handles SIGTERM, SIGINT and SIGHUP. A client that reaches the
    /// address may do all that the socket's owner may.
    pub(crate) fn serve(
        socket: ApiSocket,
        address: Option<SocketAddr>,
        agent: Arc<Agent>,
        host: Arc<dyn Host>,
    ) -> Result<Self, LocalApiError> {
        let listener = socket.listener().map_err(LocalApiError::Setup)?;
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::Builder::new()
            .name("local-api".to_owned())
            .spawn(move || run(listener, address, agent, host, stopped, &ready))
            .map_err(LocalApiError::Thread)?;
        is_ready
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
            .map_err(LocalApiError::Setup)?;
        Ok(Self { stop, thread, socket })
    }

    /// The listening socket, to be handed on, with the device and inode of its file.
    pub(crate) fn socket(&self) -> io::Result<BoundSocket> {
        self.socket.share()
    }

    /// Whether there is nothing at its path. Another file there is another process's.
    pub(crate) fn is_gone(&self) -> bool {
        fs::symlink_metadata(self.socket.file().path()).is_err()
    }

    /// Closes all connections; the socket belongs to another process now.
    pub(crate) fn leave(mut self) {
        self.socket.disown();
        self.stop();
    }

    /// Closes all connections and removes the socket.
    pub(crate) fn stop(self) {
        // The thread may have ended already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("thread of the local API panicked");
        }
    }
}

fn run(
    listener: std::os::unix::net::UnixListener,
    address: Option<SocketAddr>,
    agent: Arc<Agent>,
    host: Arc<dyn Host>,
    stopped: oneshot::Receiver<()>,
    ready: &std::sync::mpsc::Sender<io::Result<()>>,
) {
    let runtime = match Builder::new_current_thread().max_blocking_threads(WAITING).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let set_up = || Ok((UnixListener::from_std(listener)?, Signals::new()?));
        match set_up() {
            Err(error) => drop(ready.send(Err(error))),
            Ok((listener, signals)) => {
                let _ = ready.send(Ok(()));
                serve_until_stopped(listener, address, agent, host, signals, stopped).await;
            }
        }
    });
    // A call may wait for the main thread, which waits for this thread.
    runtime.shutdown_background();
}

async fn serve_until_stopped(
    listener: UnixListener,
    address: Option<SocketAddr>,
    agent: Arc<Agent>,
    host: Arc<dyn Host>,
    mut signals: Signals,
    mut stopped: oneshot::Receiver<()>,
) {
    let service = LocalServer::new(Service::new(agent, Arc::clone(&host))).max_decoding_message_size(REQUEST);
    let mut tcp = pin!(serve_tcp(address, service.clone()));
    let accept = async move || listener.accept().await.map(|(stream, _)| stream);
    let mut unix = pin!(serve(accept, service));
    loop {
        tokio::select! {
            request = signals.next() => match request {
                SignalRequest::Stop(signal) => host.stop(signal),
                SignalRequest::Reload => host.reload(),
            },
            _ = &mut stopped => return,
            // Neither ends by itself.
            () = &mut unix => return,
            () = &mut tcp => return,
        }
    }
}

/// Serves on a TCP address, if there is one. If that fails, the unix socket is still served.
async fn serve_tcp(address: Option<SocketAddr>, service: LocalServer<Service>) {
    let Some(address) = address else { return pending().await };
    match net::bind_tcp_when_free(address).await {
        Ok(listener) => {
            serve(async move || listener.accept().await.map(|(stream, _)| stream), service).await;
        }
        Err(error) => {
            tracing::error!(%address, %error, "failed to serve the local API on its address");
            pending::<()>().await;
        }
    }
}

async fn serve<S>(accept: impl AsyncFn() -> io::Result<S>, service: LocalServer<Service>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connections, accepted) = mpsc::channel(1);
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(CALLS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .serve_with_incoming(service, ReceiverStream::new(accepted).map(Ok::<_, Infallible>));
    tokio::select! {
        _ = server => {}
        () = accept_connections(accept, connections) => {}
    }
}

/// Sends on each connection, up to the limit. It pauses after an error such as a lack of descriptors: the listener stays
/// readable, and a loop without a pause would spin.
pub(crate) async fn accept(listener: UnixListener, connections: mpsc::Sender<FirstByteTimeout<UnixStream>>) {
    accept_connections(async || listener.accept().await.map(|(stream, _)| stream), connections).await;
}

async fn accept_connections<S>(
    accept: impl AsyncFn() -> io::Result<S>,
    connections: mpsc::Sender<FirstByteTimeout<S>>,
) {
    let limiter = ConnectionLimiter::new(ConnectionLimits::total(CONNECTIONS));
    loop {
        let slot = limiter.slot().await;
        match accept().await {
            Ok(connection) => {
                if connections.send(FirstByteTimeout::first_byte(FIRST_BYTE, connection, slot)).await.is_err()
                {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection of the local API");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
