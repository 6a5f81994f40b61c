//! What the agent measures, for Prometheus, and whether it is alive.
//!
//! Everything is taken from a snapshot at the moment of a scrape: the event loop keeps no metric for it, only the
//! counts that it keeps anyway.

mod family;
mod http;
mod page;
mod sample;
#[cfg(test)]
mod tests;
mod text;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::agent::Agent;

pub use family::{FAMILIES, Family, MetricKind};
pub use page::page;

/// How often, and how far apart, a port that another process leaves is asked for.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Why nothing is measured.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address cannot be had.
    #[error("metrics cannot be served at {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread or its runtime could not be made.
    #[error("the thread of the metrics cannot be started: {0}")]
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

/// A port that listens and does not answer yet.
#[derive(Debug)]
pub struct Endpoint(TcpListener);

impl Endpoint {
    /// Takes the address.
    pub fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Bind { address, source };
        let listener = TcpListener::bind(address);
        let listener = match (listener, without_ipv6(address)) {
            (Err(error), Some(instead)) if has_no_such_family(&error) => TcpListener::bind(instead),
            (listener, _) => listener,
        };
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(listener))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// All of IPv6 is all of IPv4 as well: where the kernel has no IPv6, it is that alone.
fn without_ipv6(address: SocketAddr) -> Option<SocketAddr> {
    (address.ip() == Ipv6Addr::UNSPECIFIED).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// The standard library has no word for it.
fn has_no_such_family(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The thread that answers scrapes. It sleeps while nobody asks.
#[derive(Debug)]
pub struct Metrics {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Metrics {
    /// Answers at this port.
    pub fn serve(port: Endpoint, agent: Arc<Agent>) -> Result<Self, MetricsError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                runtime.block_on(http::serve(port.0, agent, stopped));
                // A scrape may wait for the data plane, which waits for nobody.
                runtime.shutdown_background();
            })
            .map_err(MetricsError::Start)?;
        Ok(Self { stop, thread })
    }

    /// Answers at an address that another process is about to leave.
    pub fn inherit(address: SocketAddr, agent: Arc<Agent>) -> Result<Self, MetricsError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                match runtime.block_on(freed(address)) {
                    Ok(port) => runtime.block_on(http::serve(port.0, agent, stopped)),
                    Err(error) => tracing::error!(%error, "metrics are not served any more"),
                }
                runtime.shutdown_background();
            })
            .map_err(MetricsError::Start)?;
        Ok(Self { stop, thread })
    }

    /// Hangs up on everybody.
    pub fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread of the metrics had panicked");
        }
    }
}

/// The port, once whoever has it is gone.
async fn freed(address: SocketAddr) -> Result<Endpoint, MetricsError> {
    for _ in 0..TRIES {
        match Endpoint::bind(address) {
            Err(MetricsError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(PAUSE).await;
            }
            bound => return bound,
        }
    }
    Endpoint::bind(address)
}
