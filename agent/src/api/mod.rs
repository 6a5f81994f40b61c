//! The local API: what a person, a hook or a script on this host may ask.

mod connection_limit;
mod service;
pub(crate) mod sources;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod to_proto;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proto::local::local_server::LocalServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use self::connection_limit::{Caller, ConnectionLimit};
use self::service::Service;
use crate::agent::Agent;
use crate::signals::Signals;
use crate::unix_socket::{ApiSocket, BoundSocket};

pub(crate) use service::Host;

/// Calls of one caller that are answered at once.
const CALLS: u32 = 8;
/// The longest request: names, and little else.
const REQUEST: usize = 64 * 1024;
/// The longest headers of a request.
const HEADERS: u32 = 16 * 1024;
/// A caller that has said nothing for so long is asked whether it lives, and has as long to say so: a stopped one
/// does not keep its place.
const ALIVE: Duration = Duration::from_secs(20);
/// Calls that wait for the data plane or the file system.
const WAITING: usize = 16;

/// Before the next caller is accepted after one could not be.
const PAUSE: Duration = Duration::from_secs(1);
/// How often, and how far apart, an address that another process leaves is asked for.
const TRIES: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(50);

/// Why nobody is answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The thread could not be made.
    #[error("the thread of the local API cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// Its runtime, its socket or its signals could not be set up.
    #[error("the local API cannot be set up: {0}")]
    Setup(#[source] io::Error),
}

/// The thread on which everything waits that is not data: callers and signals. It sleeps while nobody calls.
#[derive(Debug)]
pub(crate) struct LocalApi {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    /// Removed from the file system when the API goes.
    socket: ApiSocket,
}

impl LocalApi {
    /// Answers on `socket`, and at `address` if there is one, and takes over SIGTERM and SIGINT. Whoever reaches the
    /// address may do all that the socket's owner may.
    pub(crate) fn serve(
        socket: ApiSocket,
        address: Option<SocketAddr>,
        agent: Arc<Agent>,
        host: Arc<dyn Host>,
    ) -> Result<Self, ApiError> {
        let listener = socket.listener().map_err(ApiError::Setup)?;
        let (stop, stopped) = oneshot::channel();
        let (up, is_up) = std::sync::mpsc::channel();
        let thread = thread::Builder::new()
            .name("local-api".to_owned())
            .spawn(move || run(listener, address, agent, host, stopped, &up))
            .map_err(ApiError::Thread)?;
        is_up
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
            .map_err(ApiError::Setup)?;
        Ok(Self { stop, thread, socket })
    }

    /// The listening socket, to be handed on, with the device and inode of its file.
    pub(crate) fn socket(&self) -> io::Result<BoundSocket> {
        self.socket.share()
    }

    /// Hangs up on everybody; the socket is another process's now.
    pub(crate) fn leave(mut self) {
        self.socket.disown();
        self.stop();
    }

    /// Hangs up on everybody and removes the socket.
    pub(crate) fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the local API had panicked");
        }
    }
}

fn run(
    listener: std::os::unix::net::UnixListener,
    address: Option<SocketAddr>,
    agent: Arc<Agent>,
    host: Arc<dyn Host>,
    stopped: oneshot::Receiver<()>,
    up: &std::sync::mpsc::Sender<io::Result<()>>,
) {
    let runtime = match Builder::new_current_thread().max_blocking_threads(WAITING).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(up.send(Err(error))),
    };
    runtime.block_on(async {
        let set_up = || Ok((UnixListener::from_std(listener)?, Signals::new()?));
        match set_up() {
            Err(error) => drop(up.send(Err(error))),
            Ok((listener, signals)) => {
                let _ = up.send(Ok(()));
                answer_until(listener, address, agent, host, signals, stopped).await;
            }
        }
    });
    // A call may wait for the host, which waits for this thread.
    runtime.shutdown_background();
}

async fn answer_until(
    listener: UnixListener,
    address: Option<SocketAddr>,
    agent: Arc<Agent>,
    host: Arc<dyn Host>,
    mut signals: Signals,
    mut stopped: oneshot::Receiver<()>,
) {
    let service = LocalServer::new(Service::new(agent, Arc::clone(&host))).max_decoding_message_size(REQUEST);
    let mut far = pin!(answer_at(address, service.clone()));
    let near = async move || listener.accept().await.map(|(stream, _)| stream);
    let mut near = pin!(answer(near, service));
    loop {
        tokio::select! {
            signal = signals.next() => host.stop(signal),
            _ = &mut stopped => return,
            // None of them ends by itself.
            () = &mut near => return,
            () = &mut far => return,
        }
    }
}

/// Answers those who come by TCP. That they cannot come is no reason not to answer the others.
async fn answer_at(address: Option<SocketAddr>, service: LocalServer<Service>) {
    let Some(address) = address else { return pending().await };
    match freed(address).await {
        Ok(listener) => {
            answer(async move || listener.accept().await.map(|(stream, _)| stream), service).await;
        }
        Err(error) => {
            tracing::error!(%address, %error, "the local API is not served at its address");
            pending::<()>().await;
        }
    }
}

/// The address, once the process before this one has left it.
async fn freed(address: SocketAddr) -> io::Result<TcpListener> {
    for _ in 0..TRIES {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(BETWEEN).await,
            bound => return bound,
        }
    }
    TcpListener::bind(address).await
}

async fn answer<S>(next: impl AsyncFn() -> io::Result<S>, service: LocalServer<Service>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connections, accepted) = mpsc::channel(1);
    let answering = tonic::transport::Server::builder()
        .max_concurrent_streams(CALLS)
        .http2_max_header_list_size(HEADERS)
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .serve_with_incoming(service, ReceiverStream::new(accepted).map(Ok::<_, Infallible>));
    tokio::select! {
        _ = answering => {}
        () = accept_each(next, connections) => {}
    }
}

/// Hands on whoever connects, while there is a seat. When descriptors run out it waits for some: the listener stays readable meanwhile,
/// and a loop without the wait would spin.
pub(crate) async fn accept(listener: UnixListener, connections: mpsc::Sender<Caller<UnixStream>>) {
    accept_each(async || listener.accept().await.map(|(stream, _)| stream), connections).await;
}

async fn accept_each<S>(next: impl AsyncFn() -> io::Result<S>, connections: mpsc::Sender<Caller<S>>) {
    let seats = ConnectionLimit::new();
    loop {
        let seat = seats.take().await;
        match next().await {
            Ok(connection) => {
                if connections.send(Caller::new(connection, seat)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a caller could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
