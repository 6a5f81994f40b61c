//! The loop around the agent's half of the conversation: sockets and time on one side, decisions on the other.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use codec::Bytes;
use delivery::subscriber::{Phase, Subscriber};
use delivery::{FromAgent, FromController, Nack, ReportDebouncer, Span, Tick};
use proto::delivery as wire;
use tokio::sync::Notify;
use tonic::Status;

use super::connect::{ConnectError, ControllerEndpoint, Stream};
use super::fmt::chain;
use super::readiness::Readiness;
use super::report::{agent, standing};
use super::status::SubscriptionStatus;
use super::{HeldConfig, PersistConfig};
use crate::agent::Agent;

pub(super) type Connecting = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

/// What this version can do beside the least.
const CAPABILITIES: [&str; 1] = ["move"];
/// How long there may be no stream for another reason than before, until it is said again.
const SAY_AGAIN: Span = Span::seconds(60);
/// How often the node is looked at while nobody says that something changed: sources fail by themselves.
const LOOK_EVERY: Span = Span::seconds(5);

pub(super) struct Driver {
    pub(super) target: ControllerEndpoint,
    pub(super) agent: Arc<Agent>,
    pub(super) keep: Box<dyn PersistConfig>,
    news: Arc<Notify>,
    pub(super) status: SubscriptionStatus,
    pub(super) subscriber: Subscriber<Bytes>,
    pub(super) connecting: Option<Connecting>,
    pub(super) stream: Option<Stream>,
    said: Option<(&'static str, Tick)>,
    subscribed: bool,
    reporter: ReportDebouncer,
    /// When to look at the node; never without a stream.
    look_at: Option<Tick>,
}

/// What happened.
enum DriverEvent {
    Opened(Result<Stream, ConnectError>),
    Heard(Result<Option<wire::FromController>, Status>),
    Due,
    News,
}

impl Driver {
    pub(super) fn new(
        target: ControllerEndpoint,
        agent: Arc<Agent>,
        held: HeldConfig,
        keep: Box<dyn PersistConfig>,
        news: Arc<Notify>,
        status: SubscriptionStatus,
    ) -> Self {
        let about = delivery::Subscription {
            node: target.node.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            ..delivery::Subscription::default()
        };
        let seed = seed(&target.node);
        let subscriber = Subscriber::new(now(), about, held.content, held.version, seed);
        Self {
            target,
            agent,
            keep,
            news,
            status,
            subscriber,
            connecting: None,
            stream: None,
            said: None,
            subscribed: false,
            reporter: ReportDebouncer::default(),
            look_at: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            while let Some(task) = self.subscriber.poll(now()) {
                self.act(task);
            }
            self.tell_status();
            self.report();
            match self.next().await {
                DriverEvent::Opened(Ok(stream)) => self.opened(stream),
                DriverEvent::Opened(Err(error)) => self.not_opened(&error),
                DriverEvent::Heard(Ok(Some(message))) => self.heard(message),
                DriverEvent::Heard(Ok(None)) => self.lost("the controller ended the stream"),
                DriverEvent::Heard(Err(status)) => self.lost(status.message()),
                DriverEvent::Due => {}
                DriverEvent::News => self.look_soon(),
            }
        }
    }

    async fn next(&mut self) -> DriverEvent {
        let next = [self.subscriber.wake_at(), self.look_at].into_iter().flatten().min();
        let wait = next.map(|at| Duration::from_nanos(at.since(now())));
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => pending().await,
            }
        };
        let opened = async {
            match &mut self.connecting {
                Some(connecting) => connecting.await,
                None => pending().await,
            }
        };
        let heard = async {
            match &mut self.stream {
                Some(stream) => stream.incoming.message().await,
                None => pending().await,
            }
        };
        tokio::select! {
            opened = opened => DriverEvent::Opened(opened),
            heard = heard => DriverEvent::Heard(heard),
            () = due => DriverEvent::Due,
            () = self.news.notified() => DriverEvent::News,
        }
    }

    fn opened(&mut self, stream: Stream) {
        (self.connecting, self.stream) = (None, Some(stream));
        self.status.change(|status| status.unconnected = None);
        self.reporter.begin();
        self.look_at = Some(now());
        self.subscriber.connected(now());
    }

    fn not_opened(&mut self, error: &ConnectError) {
        self.connecting = None;
        self.status.change(|status| {
            status.unconnected = Some(Nack::new(error.reason(), chain(error)));
        });
        let reason = error.reason();
        if self.worth_saying(reason) {
            tracing::warn!(reason, error = chain(error), "no controller; what was in force goes on");
        }
        self.subscriber.disconnected(now());
    }

    /// It is tried every few seconds: the same reason is worth a line a minute.
    fn worth_saying(&mut self, reason: &'static str) -> bool {
        let now = now();
        let worth = self.said.is_none_or(|(said, at)| said != reason || now >= at + SAY_AGAIN);
        if worth {
            self.said = Some((reason, now));
        }
        worth
    }

    fn heard(&mut self, message: wire::FromController) {
        match codec::controller::from_wire(message) {
            Ok(message @ FromController::Update(_)) => {
                self.in_touch();
                self.subscriber.handle(now(), message);
                self.status.change(|status| status.confirmed = Some(dataplane::now()));
            }
            Ok(message) => self.subscriber.handle(now(), message),
            // A newer controller may say more than this agent understands.
            Err(error) => tracing::debug!(reason = error.reason(), %error, "passed over"),
        }
    }

    /// The controller speaks: one that only accepts streams and ends them is none.
    fn in_touch(&mut self) {
        self.said = None;
        if !std::mem::replace(&mut self.subscribed, true) {
            tracing::info!(controller = %self.target.controller, "subscribed");
        }
    }

    pub(super) fn lost(&mut self, why: &str) {
        if self.worth_saying("StreamEnded") {
            tracing::warn!(
                reason = "StreamEnded",
                error = why,
                "the controller is gone; what was in force goes on"
            );
        }
        self.hang_up();
        self.subscriber.disconnected(now());
    }

    pub(super) fn hang_up(&mut self) {
        (self.stream, self.look_at, self.subscribed) = (None, None, false);
    }

    /// Something changed. What changes together is told together.
    pub(super) fn look_soon(&mut self) {
        if self.stream.is_some() {
            self.look_at = Some(self.reporter.next().unwrap_or_default().max(now()));
        }
    }

    fn report(&mut self) {
        if self.look_at.is_none_or(|at| now() < at) {
            return;
        }
        self.look_at = Some(now() + LOOK_EVERY);
        let Ok(snapshot) = self.agent.server().snapshot() else { return };
        let (sources, config) = (self.agent.server().sources(), self.agent.config());
        let readiness = Readiness {
            configured: self.agent.in_force().age.is_some(),
            pod_info_on_mount: config.pod_info_on_mount,
            driver: self.agent.kubelet().standing(),
        };
        let agent = agent(&readiness, &self.status.get(), &self.agent.disorder());
        let node = standing(&snapshot, &self.agent.places().all(), &sources, &config, agent);
        if let Some(report) = self.reporter.report(now(), &node) {
            self.send(FromAgent::Report(report));
        }
    }

    fn tell_status(&self) {
        let phase = self.subscriber.phase();
        if self.status.get().phase == phase {
            return;
        }
        if phase == Phase::OnlyOlder {
            tracing::warn!(
                reason = "OnlyOlder",
                "only an older configuration is on offer; what is in force goes on"
            );
        }
        self.status.change(|status| (status.phase, status.since) = (phase, dataplane::now()));
    }
}

pub(super) fn now() -> Tick {
    dataplane::now()
}

/// Sets nodes apart, and two starts of one node.
fn seed(node: &str) -> u64 {
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    node.bytes().fold(dataplane::now().0, mix)
}
