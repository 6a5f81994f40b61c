//! Metrics for Prometheus, and health.
//!
//! Everything is taken from a snapshot at the moment of a scrape: the event loop keeps no metric for it, only the
//! counts that it keeps anyway.

mod families;
mod samples;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::agent::Agent;

pub use families::{FAMILIES, page};

/// Why metrics are not served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("cannot serve metrics at {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot start the metrics thread: {0}")]
    Start(#[source] io::Error),
}

/// An address with a port, or a port that only this host reaches.
pub fn port(text: &str) -> Result<SocketAddr, String> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (number, address) = (text.parse().map(local), text.parse());
    number
        .or(address)
        .map_err(|_| "write a port (9090), or an address with one (192.0.2.1:9090, [::1]:9090)".into())
}

/// A port that listens but does not respond yet.
#[derive(Debug)]
pub struct Endpoint(TcpListener);

impl Endpoint {
    pub fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let listener = net::bind_tcp_nonblocking(address);
        listener.map(Self).map_err(|source| MetricsError::Bind { address, source })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The thread that serves scrapes. It sleeps in between.
#[derive(Debug)]
pub struct Metrics {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Metrics {
    pub fn serve(endpoint: Endpoint, agent: Arc<Agent>) -> Result<Self, MetricsError> {
        Self::start(move |runtime, stopped| {
            let listener = runtime.block_on(async { tokio::net::TcpListener::from_std(endpoint.0) });
            runtime.block_on(server::serve(listener, agent, stopped));
        })
    }

    /// Serves at an address that another process is about to leave.
    pub fn inherit(address: SocketAddr, agent: Arc<Agent>) -> Result<Self, MetricsError> {
        Self::start(move |runtime, stopped| {
            let listener = runtime.block_on(net::bind_tcp_when_free(address));
            runtime.block_on(server::serve(listener, agent, stopped));
        })
    }

    fn start(
        serve: impl FnOnce(&Runtime, oneshot::Receiver<()>) + Send + 'static,
    ) -> Result<Self, MetricsError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                serve(&runtime, stopped);
                // A scrape may still wait for the data plane; do not wait for the scrape.
                runtime.shutdown_background();
            })
            .map_err(MetricsError::Start)?;
        Ok(Self { stop, thread })
    }

    /// Closes the port and all connections.
    pub fn stop(self) {
        // The thread may have ended by itself.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the metrics thread panicked");
        }
    }
}
