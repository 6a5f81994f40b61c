//! Configuration from a controller: the last good one at the start, then those of a subscription.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use delivery::{NodeConfig, ResourceSet};

use super::config_source::{ConfigSource, Persisted};
use super::orphans::Orphans;
use crate::agent::Agent;
use crate::checkpoint::{AcceptedSpecs, CheckpointState, LastGood};
use crate::controller_client::{ControllerEndpoint, HeldConfig, SubscriptionThread, attempt, log_refused};
use crate::event::{ConfigEvent, DaemonEvents};

/// A node's configuration source. Its subscription's thread applies what the controller sends.
pub(crate) struct Controller {
    endpoint: ControllerEndpoint,
    /// The configuration to resume the subscription from; afterwards [`last_good`](Self::last_good).
    restored: Option<HeldConfig>,
    last_good: Option<LastGood>,
    /// `None` before the start, and while another process takes over.
    subscription: Option<SubscriptionThread>,
}

impl Controller {
    pub(crate) fn new(endpoint: ControllerEndpoint) -> Self {
        Self { endpoint, restored: None, last_good: None, subscription: None }
    }

    fn apply_last_good(&self, agent: &Agent, takes_over: bool) -> Result<HeldConfig> {
        let Some(last_good) = &self.last_good else { return Ok(HeldConfig::default()) };
        let held = decode(last_good)?;
        let nothing = NodeConfig::default();
        let refused = agent.apply_pools(attempt(codec::decode_pools(&held.content)?, &nothing))?;
        refused.iter().for_each(log_refused);
        tracing::info!(pools = agent.config().pools.len(), "last good configuration in effect");
        if refused.is_empty() {
            return Ok(held);
        }
        ensure!(!takes_over, "pool {}: {}", refused[0].pool, refused[0].refusal.message);
        // What is not in effect is not held, so the controller sends it again.
        let is_refused = |pool: &str| refused.iter().any(|refused| refused.pool == pool);
        let content = Arc::new(held.content.with_pools_of(&ResourceSet::default(), is_refused));
        Ok(HeldConfig { content, ..held })
    }
}

impl ConfigSource for Controller {
    const RETRY: &'static str = "with each configuration, and `entropool detach` forgets it";

    fn restore(&mut self, state: &CheckpointState, agent: &Agent, takes_over: bool) -> Result<bool> {
        match Orphans::of_checkpoint(state) {
            Ok(orphans) => agent.restore_orphans(orphans.into_config()),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "failed to restore deleted classes; their VMs are not served"
            ),
        }
        self.last_good.clone_from(&state.last_good);
        let held = match self.apply_last_good(agent, takes_over) {
            Err(error) if takes_over => {
                return Err(error).context("cannot serve the configuration of the running agent");
            }
            Err(error) => {
                tracing::error!(
                    reason = "LastGoodNotServed",
                    error = format!("{error:#}"),
                    "the last good configuration cannot be applied; waiting for the controller"
                );
                HeldConfig::default()
            }
            Ok(held) => held,
        };
        self.restored = Some(held);
        Ok(!agent.config().pools.is_empty())
    }

    fn connect(&mut self, agent: &Arc<Agent>, events: &DaemonEvents) -> io::Result<()> {
        let applied = || self.last_good.as_ref().and_then(|last_good| decode(last_good).ok());
        let held = self.restored.take().or_else(applied).unwrap_or_default();
        let (endpoint, agent) = (self.endpoint.clone(), Arc::clone(agent));
        self.subscription = Some(SubscriptionThread::start(endpoint, agent, held, events.clone())?);
        Ok(())
    }

    fn disconnect(&mut self) {
        if let Some(subscription) = self.subscription.take() {
            subscription.stop();
        }
    }

    fn handle(&mut self, event: ConfigEvent, _agent: &Agent) -> bool {
        if matches!(event, ConfigEvent::ReloadRequested) {
            tracing::info!("SIGHUP has no effect: the configuration comes from a controller");
        }
        self.record(&event);
        matches!(event, ConfigEvent::Applied(_))
    }

    fn record(&mut self, event: &ConfigEvent) {
        if let ConfigEvent::Applied(last_good) = event {
            self.last_good = Some(last_good.clone());
        }
    }

    fn vms_changed(&self) {
        if let Some(subscription) = &self.subscription {
            subscription.vms_changed();
        }
    }

    fn persisted(&self) -> Persisted {
        Persisted { accepted: AcceptedSpecs::default(), last_good: self.last_good.clone() }
    }
}

fn decode(last_good: &LastGood) -> Result<HeldConfig> {
    ensure!(
        last_good.encoding == codec::ENCODING,
        "the last good configuration is in encoding {}, and this version reads {}",
        last_good.encoding,
        codec::ENCODING
    );
    let (version, content) = codec::decode_persisted(&last_good.bytes)?;
    Ok(HeldConfig { version, content: Arc::new(content) })
}
