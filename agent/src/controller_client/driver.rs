//! The event loop of the subscription: drives the sans-IO subscriber with the stream, the clock and the agent.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use codec::{Bytes, DecodedConfig};
use delivery::subscriber::{Subscriber, SubscriberTask, SubscriptionPhase};
use delivery::{
    FromAgent, FromController, Move, Nack, NodeConfig, PoolRefusal, ReportDebouncer, ResourceSet, Span, Tick,
    Version, WatchedKind,
};
use proto::delivery as wire;
use tokio::sync::Notify;
use tonic::Status;

use super::connect::{self, ConnectError, ControllerEndpoint, ControllerStream};
use super::readiness::AgentReadiness;
use super::report::{SubscriptionStatus, agent_state, node_state};
use crate::agent::Agent;
use crate::checkpoint::LastGood;
use crate::config::error::chain;
use crate::config::pool_by_pool::PoolByPool;

type Connecting = Pin<Box<dyn Future<Output = Result<ControllerStream, ConnectError>> + Send>>;

/// Optional features of the protocol that this version has.
const CAPABILITIES: [&str; 1] = ["move"];
/// How often the same reason for having no stream is logged.
const LOG_INTERVAL: Span = Span::seconds(60);
/// How often the node's state is read even without an event: a source fails without one.
const REPORT_INTERVAL: Span = Span::seconds(5);

/// Saves the parts of the configuration that a restart needs.
pub(crate) trait PersistConfig: Send + 'static {
    /// This configuration was applied.
    fn applied(&self, last_good: LastGood);

    /// A VM was moved to another class on the controller's request.
    fn vms_changed(&self);
}

/// The configuration that is applied when the subscription starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldConfig {
    pub(crate) version: Version,
    /// Its resources, encoded.
    pub(crate) content: Arc<ResourceSet<Bytes>>,
}

pub(super) struct Driver {
    endpoint: ControllerEndpoint,
    agent: Arc<Agent>,
    persist: Box<dyn PersistConfig>,
    vms_changed: Arc<Notify>,
    status: SubscriptionStatus,
    subscriber: Subscriber<Bytes>,
    connecting: Option<Connecting>,
    stream: Option<ControllerStream>,
    /// The last reason for having no stream that was logged, and when.
    logged: Option<(&'static str, Tick)>,
    subscribed: bool,
    reporter: ReportDebouncer,
    /// When to read the node's state next; `None` without a stream.
    report_at: Option<Tick>,
}

enum DriverEvent {
    Connected(Result<ControllerStream, ConnectError>),
    Received(Result<Option<wire::FromController>, Status>),
    Timer,
    VmsChanged,
}

impl Driver {
    pub(super) fn new(
        endpoint: ControllerEndpoint,
        agent: Arc<Agent>,
        held: HeldConfig,
        persist: Box<dyn PersistConfig>,
        vms_changed: Arc<Notify>,
        status: SubscriptionStatus,
    ) -> Self {
        let subscription = delivery::AgentSubscription {
            node: endpoint.node.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            ..delivery::AgentSubscription::default()
        };
        let seed = seed(&endpoint.node);
        let subscriber = Subscriber::new(now(), subscription, held.content, held.version, seed);
        Self {
            endpoint,
            agent,
            persist,
            vms_changed,
            status,
            subscriber,
            connecting: None,
            stream: None,
            logged: None,
            subscribed: false,
            reporter: ReportDebouncer::default(),
            report_at: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            while let Some(task) = self.subscriber.poll(now()) {
                self.run_task(task);
            }
            self.update_status();
            self.report();
            match self.next().await {
                DriverEvent::Connected(Ok(stream)) => self.connected(stream),
                DriverEvent::Connected(Err(error)) => self.connect_failed(&error),
                DriverEvent::Received(Ok(Some(message))) => self.received(message),
                DriverEvent::Received(Ok(None)) => self.stream_lost("the controller ended the stream"),
                DriverEvent::Received(Err(status)) => self.stream_lost(status.message()),
                DriverEvent::Timer => {}
                DriverEvent::VmsChanged => self.report_soon(),
            }
        }
    }

    async fn next(&mut self) -> DriverEvent {
        let next = [self.subscriber.wake_at(), self.report_at].into_iter().flatten().min();
        let wait = next.map(|at| Duration::from_nanos(at.since(now())));
        let timer = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => pending().await,
            }
        };
        let connected = async {
            match &mut self.connecting {
                Some(connecting) => connecting.await,
                None => pending().await,
            }
        };
        let received = async {
            match &mut self.stream {
                Some(stream) => stream.incoming.message().await,
                None => pending().await,
            }
        };
        tokio::select! {
            connected = connected => DriverEvent::Connected(connected),
            received = received => DriverEvent::Received(received),
            () = timer => DriverEvent::Timer,
            () = self.vms_changed.notified() => DriverEvent::VmsChanged,
        }
    }

    fn connected(&mut self, stream: ControllerStream) {
        self.connecting = None;
        self.stream = Some(stream);
        self.status.change(|status| status.disconnected = None);
        self.reporter.reset();
        self.report_at = Some(now());
        self.subscriber.connected(now());
    }

    fn connect_failed(&mut self, error: &ConnectError) {
        self.connecting = None;
        self.status.change(|status| {
            status.disconnected = Some(Nack::new(error.reason(), chain(error)));
        });
        let reason = error.reason();
        if self.is_worth_logging(reason) {
            tracing::warn!(
                reason,
                error = chain(error),
                "no controller; the last configuration stays in effect"
            );
        }
        self.subscriber.disconnected(now());
    }

    /// Connecting is retried every few seconds: the same reason is logged once a minute.
    fn is_worth_logging(&mut self, reason: &'static str) -> bool {
        let now = now();
        let worth = self.logged.is_none_or(|(logged, at)| logged != reason || now >= at + LOG_INTERVAL);
        if worth {
            self.logged = Some((reason, now));
        }
        worth
    }

    fn received(&mut self, message: wire::FromController) {
        match codec::controller::from_proto(message) {
            Ok(message @ FromController::Update(_)) => {
                self.update_received();
                self.subscriber.handle(now(), message);
                self.status.change(|status| status.confirmed = Some(dataplane::now()));
            }
            Ok(message) => self.subscriber.handle(now(), message),
            // A newer controller may send messages that this agent does not know.
            Err(error) => tracing::debug!(reason = error.reason(), %error, "ignored a message"),
        }
    }

    /// The subscription works: a controller that only accepts streams and ends them does not count.
    fn update_received(&mut self) {
        self.logged = None;
        if !std::mem::replace(&mut self.subscribed, true) {
            tracing::info!(controller = %self.endpoint.controller, "subscribed");
        }
    }

    fn stream_lost(&mut self, error: &str) {
        if self.is_worth_logging("StreamEnded") {
            tracing::warn!(
                reason = "StreamEnded",
                error,
                "lost the controller; the last configuration stays in effect"
            );
        }
        self.close_stream();
        self.subscriber.disconnected(now());
    }

    fn close_stream(&mut self) {
        self.stream = None;
        self.report_at = None;
        self.subscribed = false;
    }

    /// The node's state has changed. Changes at about the same time go into one report.
    fn report_soon(&mut self) {
        if self.stream.is_some() {
            self.report_at = Some(self.reporter.wake_at().unwrap_or_default().max(now()));
        }
    }

    fn report(&mut self) {
        if self.report_at.is_none_or(|at| now() < at) {
            return;
        }
        self.report_at = Some(now() + REPORT_INTERVAL);
        let Ok(snapshot) = self.agent.server().snapshot() else { return };
        let (sources, config) = (self.agent.server().sources(), self.agent.config());
        let readiness = AgentReadiness {
            configured: self.agent.applied_config().age.is_some(),
            pod_info_on_mount: config.pod_info_on_mount,
            driver: self.agent.driver_registration().status(),
        };
        let agent = agent_state(&readiness, &self.status.get(), &self.agent.health().get());
        let scheduled_classes = self.agent.attachments().table().scheduled_classes();
        let node = node_state(&snapshot, &scheduled_classes, &sources, &config, agent);
        if let Some(report) = self.reporter.report(now(), &node) {
            self.send(FromAgent::Report(report));
        }
    }

    fn update_status(&self) {
        let phase = self.subscriber.phase();
        if self.status.get().phase == phase {
            return;
        }
        if phase == SubscriptionPhase::OnlyOlder {
            tracing::warn!(
                reason = "OnlyOlder",
                "the controller offers only an older configuration; the current one stays in effect"
            );
        }
        self.status.change(|status| {
            status.phase = phase;
            status.since = dataplane::now();
        });
    }
}

impl Driver {
    fn run_task(&mut self, task: SubscriberTask<Bytes>) {
        match task {
            SubscriberTask::Connect => {
                self.connecting = Some(Box::pin(connect::connect(self.endpoint.clone())));
            }
            SubscriberTask::Send(message) => self.send(message),
            SubscriberTask::Apply(content) => self.apply(&content),
            SubscriberTask::Persist => self.persist(),
            SubscriberTask::Move(order) => self.move_vm(&order),
            SubscriberTask::Authenticate => self.authenticate(),
            SubscriberTask::ConfigRolledBack { from, to } => self.rolled_back(&from, &to),
            SubscriberTask::Disconnect => self.close_stream(),
        }
    }

    fn send(&mut self, message: FromAgent) {
        if self.stream.as_ref().is_some_and(|stream| !stream.send(message)) {
            self.stream_lost("the controller does not read");
        }
    }

    fn apply(&mut self, content: &ResourceSet<Bytes>) {
        let result = self.decode_and_apply(content);
        let before = self.status.get().refused;
        match &result {
            Err(Nack { reason, message }) => {
                tracing::error!(reason, error = message, "nack; the last configuration stays in effect");
            }
            // A refused pool is tried again with each configuration.
            Ok(refused) => refused.iter().filter(|refused| !before.contains(refused)).for_each(log_refused),
        }
        self.status.change(|status| {
            status.nacked = result.clone().err();
            if let Ok(refused) = &result {
                status.refused.clone_from(refused);
            }
        });
        self.subscriber.applied(result);
        // Sources may have been added or removed.
        self.report_soon();
    }

    fn decode_and_apply(&self, content: &ResourceSet<Bytes>) -> Result<Vec<PoolRefusal>, Nack> {
        let decoded =
            codec::decode_pools(content).map_err(|error| Nack::new(error.reason(), error.to_string()))?;
        let last_good = self.agent.config();
        let attempt = attempt(decoded, &last_good);
        let refused = self.agent.apply_pools(attempt).map_err(|error| error.to_nack())?;
        tracing::info!(pools = self.agent.config().pools.len(), "configuration in effect");
        for vm in self.agent.attachments().restore_missing() {
            tracing::info!(vm, "VM reattached");
        }
        Ok(refused)
    }

    fn persist(&mut self) {
        let version = self.subscriber.version();
        let bytes = codec::encode_persisted(version, self.subscriber.held());
        self.persist.applied(LastGood { encoding: codec::ENCODING, bytes });
        self.agent.set_config_version(version);
        self.status.change(|status| status.version = version.clone());
    }

    fn move_vm(&mut self, order: &Move) {
        let Move { ticket, uid, class } = order;
        let result = self.agent.attachments().move_vm(uid, class);
        match &result {
            Ok(()) => {
                tracing::info!(vm = uid, class, "VM moved");
                self.persist.vms_changed();
            }
            Err(error) => {
                tracing::warn!(vm = uid, class, reason = error.reason(), %error, "failed to move VM");
            }
        }
        let result = result.map_err(|error| Nack::new(error.reason(), error.to_string()));
        self.send(FromAgent::Moved { ticket: *ticket, result });
    }

    fn authenticate(&mut self) {
        match self.endpoint.token.as_deref().map(connect::token) {
            Some(Ok(token)) => self.send(FromAgent::Token(token)),
            // The controller asks again, or closes the stream.
            Some(Err(error)) => tracing::warn!(reason = error.reason(), %error, "failed to read token"),
            None => {}
        }
    }

    fn rolled_back(&mut self, from: &Version, to: &Version) {
        tracing::error!(
            reason = "ConfigRolledBack",
            from = describe(from),
            to = describe(to),
            "an older configuration is in effect: for a minute no controller with a fresh list offered a newer one"
        );
        self.agent.count_rollback();
        self.status.change(|status| status.rolled_back += 1);
    }
}

/// The attempt to apply what was decoded; what was not is refused already.
pub(crate) fn attempt(decoded: DecodedConfig, last_good: &NodeConfig) -> PoolByPool<'_> {
    let mut attempt = PoolByPool::new(decoded.config, last_good);
    for (pool, error) in decoded.undecoded {
        attempt.refuse(&pool, Nack::new(error.reason(), error.to_string()));
    }
    attempt
}

pub(crate) fn log_refused(PoolRefusal { pool, refusal }: &PoolRefusal) {
    let Nack { reason, message } = refusal;
    tracing::error!(
        pool,
        reason,
        error = message,
        "pool refused; its last good configuration stays in effect"
    );
}

fn now() -> Tick {
    dataplane::now()
}

/// Different for each node, and for each start of a node.
fn seed(node: &str) -> u64 {
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    node.bytes().fold(dataplane::now().0, mix)
}

/// As `pools 12, classes 15`.
fn describe(version: &Version) -> String {
    let kind = |(kind, newest): (WatchedKind, u64)| format!("{} {newest}", kind.as_str());
    version.seen().map(kind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_described_by_kind() {
        let version: Version =
            [(WatchedKind::CLASSES, 9), (WatchedKind::POOLS, 7), (WatchedKind(77), 1)].into_iter().collect();
        assert_eq!(describe(&version), "pools 7, classes 9, others 1");
    }
}
