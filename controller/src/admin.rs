//! Health, readiness and metrics of this replica.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use net::admin::{self, AdminHandler, Unavailable};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::ca::Certificate;
use crate::leader_election::Leadership;
use crate::metrics;
use crate::state::SharedState;

/// Peers are a kubelet, which restarts a controller that does not respond, and Prometheus.
const CONNECTIONS: usize = 64;

pub(crate) struct ReplicaHealth {
    pub(crate) state: Arc<SharedState>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) role: watch::Receiver<Leadership>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Listens. The returned future serves health and metrics for ever.
pub(crate) async fn bind(
    address: SocketAddr,
    health: Arc<ReplicaHealth>,
) -> Result<impl Future<Output = ()> + Send> {
    let listener = listen(address).await?;
    info!(address = %listener.local_addr().unwrap_or(address), "serving health and metrics");
    Ok(admin::serve(listener, CONNECTIONS, health))
}

/// The same for a port of health alone, which no peer but a kubelet needs, and no scrape delays.
pub(crate) async fn bind_health(
    address: SocketAddr,
    health: Arc<ReplicaHealth>,
) -> Result<impl Future<Output = ()> + Send> {
    let listener = listen(address).await?;
    info!(address = %listener.local_addr().unwrap_or(address), "serving health");
    Ok(admin::serve_health(listener, CONNECTIONS, health))
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    net::bind_tcp(address).await.with_context(|| format!("cannot listen at {address}"))
}

impl AdminHandler for ReplicaHealth {
    async fn health(&self) -> Result<&'static str, Unavailable> {
        Ok("ok")
    }

    async fn readiness(&self) -> Result<&'static str, Unavailable> {
        if *self.stopping.borrow() {
            return Err("stopping");
        }
        if !self.certificate.is_there() {
            return Err("waiting for the TLS certificate");
        }
        if !self.state.serves() {
            return Err("waiting for the API server: not all kinds are listed and watched");
        }
        Ok("ok")
    }

    async fn metrics(&self) -> Result<String, Unavailable> {
        let leading = self.role.borrow().leads();
        metrics::render(&self.state, leading, self.certificate.expiry())
            .map_err(|_| "metrics could not be encoded")
    }
}
