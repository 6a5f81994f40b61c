//! The responses at the metrics port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use net::admin::{self, AdminHandler, Unavailable};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::families::FAMILIES;
use super::samples::{ScrapeInput, samples};
use crate::agent::Agent;

/// Of a kubelet, and of scrapes.
const CONNECTIONS: usize = 64;
/// The time-out of a query to the data plane: longer than any batch takes.
const RESPONDS_WITHIN: Duration = Duration::from_secs(5);
/// The interval between two scrapes: more frequent ones wait, however many peers send them, and VMs do not.
const SCRAPE_INTERVAL: Duration = Duration::from_millis(100);

/// Serves until told to stop.
pub(super) async fn serve(
    listener: io::Result<TcpListener>,
    agent: Arc<Agent>,
    stopped: oneshot::Receiver<()>,
) {
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "stopped serving metrics"),
    };
    tokio::select! {
        _ = stopped => {}
        () = admin::serve(listener, CONNECTIONS, Arc::new(MetricsHandler::new(agent))) => {}
    }
}

struct MetricsHandler {
    agent: Arc<Agent>,
    scrapes: Mutex<Interval>,
}

impl MetricsHandler {
    fn new(agent: Arc<Agent>) -> Self {
        let mut scrapes = interval(SCRAPE_INTERVAL);
        scrapes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { agent, scrapes: Mutex::new(scrapes) }
    }
}

impl AdminHandler for MetricsHandler {
    async fn health(&self) -> Result<&'static str, Unavailable> {
        let agent = Arc::clone(&self.agent);
        let responds = in_time(move || agent.server().responds()).await?;
        if responds { Ok("the data plane responds") } else { Err("the data plane has stopped") }
    }

    async fn readiness(&self) -> Result<&'static str, Unavailable> {
        let has_config = self.agent.applied_config().age.is_some();
        self.health().await?;
        Ok(if has_config {
            "a configuration is in effect and the data plane responds"
        } else {
            // A cluster without a pool has nothing to send, and its agents are ready for the first one.
            "the data plane responds; no configuration is in effect yet"
        })
    }

    async fn metrics(&self) -> Result<String, Unavailable> {
        let (mut scrapes, agent) = (self.scrapes.lock().await, Arc::clone(&self.agent));
        scrapes.tick().await;
        in_time(move || scrape(&agent)).await?.ok_or("the data plane has stopped")
    }
}

/// `None` once the data plane has stopped.
fn scrape(agent: &Agent) -> Option<String> {
    let snapshot = agent.server().snapshot().ok()?;
    let input = ScrapeInput {
        snapshot: &snapshot,
        sources: &agent.server().sources(),
        config: &agent.config(),
        in_force: &agent.applied_config(),
        disorder: &agent.health().get(),
    };
    let mut samples = samples(&input);
    samples.program("entropool-agent", env!("CARGO_PKG_VERSION"));
    telemetry::encode(FAMILIES, samples).ok()
}

async fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, Unavailable> {
    match timeout(RESPONDS_WITHIN, tokio::task::spawn_blocking(ask)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("the daemon failed in this call; see its log"),
        Err(_) => Err("the data plane does not respond"),
    }
}
