//! The gRPC service: admits and authenticates agents, and starts their streams.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::clock::{RateLimit, RateLimiter};
use delivery::agent_auth::{self, AgentIdentity, AuthError};
use delivery::limits::{STREAM_WAITS, STREAMS};
use delivery::{BearerToken, Nack, Span};
use futures::StreamExt;
use futures::stream::Map;
use net::UnauthenticatedPermit;
use proto::delivery as wire;
use proto::delivery::delivery_server::Delivery;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::node_limits::{Expense, NodeLimits};
use super::stream::{AgentStream, OutgoingMessage, run_stream};
use super::stream_registry::StreamRegistry;
use crate::ca::{ReviewResult, TokenReviewer};
use crate::clock;
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::EventRecorder;

/// Queued messages for one agent: one update, and a move for each of its VMs.
const OUTBOX: usize = 256;
/// How long to wait for an agent's pod to appear; a live watch delivers it much sooner.
const POD_TIMEOUT: Duration = Duration::from_secs(2);

/// Log lines about refused tokens.
const REFUSALS: RateLimit = RateLimit::new(Span::seconds(1), 100);

type OutgoingStream = Map<ReceiverStream<Box<OutgoingMessage>>, fn(Box<OutgoingMessage>) -> OutgoingMessage>;

pub(crate) struct DeliveryService {
    state: Arc<SharedState>,
    reviewer: Arc<TokenReviewer>,
    registry: Arc<StreamRegistry>,
    limits: Arc<NodeLimits>,
    recorder: Arc<EventRecorder>,
    role: watch::Receiver<Leadership>,
    stopping: watch::Receiver<bool>,
    /// Limits new streams, since each costs a token review.
    limiter: Mutex<RateLimiter>,
    /// Limits the log lines about refused tokens: whoever reaches the port may present some.
    refusals: Mutex<RateLimiter>,
}

#[tonic::async_trait]
impl Delivery for DeliveryService {
    type SubscribeStream = OutgoingStream;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        if *self.stopping.borrow() || !self.state.serves() {
            return Err(Status::unavailable(
                "this replica is starting or stopping, or has lost the API server: try again, or another replica",
            ));
        }
        // What costs nothing comes first: a stranger takes no agent's place.
        let token = bearer(request.metadata());
        let token = token.and_then(|token| self.reviewer.check_claims(&token).map(|()| token));
        let token = token.map_err(|denied| self.refused(&denied.to_nack()))?;
        let wait = self.limiter().admit_within(STREAMS, clock::tick(), STREAM_WAITS);
        let Some(wait) = wait else {
            return Err(Status::resource_exhausted("too many agents are connecting at once: try again"));
        };
        {
            let _waiting = self.state.queues.streams.join();
            tokio::time::sleep(wait.into()).await;
        }
        let permit = request.extensions().get::<UnauthenticatedPermit>();
        let agent = self.authenticate(&token, permit.and_then(UnauthenticatedPermit::peer)).await?;
        self.confirm(&agent).await?;
        if !self.limits.admit(&agent.node, Expense::Stream, clock::tick()) {
            return Err(Status::resource_exhausted(format!(
                "the agent of node {} connects too often: try again",
                agent.node
            )));
        }
        if let Some(permit) = request.extensions().get::<UnauthenticatedPermit>() {
            permit.release();
        }
        if self.limits.admit(&agent.node, Expense::LogLine, clock::tick()) {
            info!(node = %agent.node, pod = %agent.pod, "agent connected");
        }
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let stream = AgentStream {
            state: Arc::clone(&self.state),
            reviewer: Arc::clone(&self.reviewer),
            registered: self.registry.register(&agent),
            registry: Arc::clone(&self.registry),
            limits: Arc::clone(&self.limits),
            recorder: Arc::clone(&self.recorder),
            role: self.role.clone(),
            stopping: self.stopping.clone(),
            agent,
            outbox,
        };
        tokio::spawn(run_stream(stream, request.into_inner()));
        let unbox: fn(Box<OutgoingMessage>) -> OutgoingMessage = |message| *message;
        Ok(Response::new(ReceiverStream::new(receiver).map(unbox)))
    }
}

impl DeliveryService {
    pub(super) fn new(
        state: Arc<SharedState>,
        reviewer: Arc<TokenReviewer>,
        recorder: Arc<EventRecorder>,
        role: watch::Receiver<Leadership>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (limiter, refusals) = (Mutex::default(), Mutex::default());
        let (registry, limits) = (Arc::default(), Arc::default());
        Self { state, reviewer, registry, limits, recorder, role, stopping, limiter, refusals }
    }

    /// Evicts the streams of agents whose pods have been deleted; never returns.
    pub(super) fn evict_stale_streams(&self) -> impl Future<Output = ()> + Send + use<> {
        let (state, reviewer, registry) =
            (Arc::clone(&self.state), Arc::clone(&self.reviewer), Arc::clone(&self.registry));
        async move {
            let mut pods = state.agent_pods.subscribe();
            while pods.changed().await.is_ok() {
                registry.evict_unless(|agent| reviewer.confirm(agent, state.store().agent_pod(&agent.pod)));
            }
        }
    }

    fn limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn authenticate(&self, token: &BearerToken, peer: Option<IpAddr>) -> Result<AgentIdentity, Status> {
        match self.reviewer.review(token, peer).await {
            ReviewResult::Good(agent) => Ok(agent),
            ReviewResult::Denied(refusal) => Err(self.refused(&refusal)),
            ReviewResult::TooMany => Err(Status::resource_exhausted(
                "too many tokens from this address are to be reviewed: try again later",
            )),
            ReviewResult::NotMade => Err(Status::unavailable(
                "the API server does not answer, so tokens cannot be reviewed: try again later",
            )),
        }
    }

    /// Checks that the token's pod exists. The watch may deliver a new pod just after the agent's first call.
    async fn confirm(&self, agent: &AgentIdentity) -> Result<(), Status> {
        let known = || self.reviewer.confirm(agent, self.state.store().agent_pod(&agent.pod));
        let mut pods = self.state.agent_pods.subscribe();
        let found = pods.wait_for(|_| known().is_ok());
        let found = tokio::time::timeout(POD_TIMEOUT, found).await.is_ok();
        if found { Ok(()) } else { known().map_err(|denied| self.refused(&denied.to_nack())) }
    }

    fn refused(&self, refusal: &Nack) -> Status {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.admit(REFUSALS, clock::tick()) {
            info!(reason = %refusal.reason, message = %refusal.message, "agent refused");
        }
        Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message))
    }
}

fn bearer(metadata: &MetadataMap) -> Result<BearerToken, AuthError> {
    // If there are two headers, both are ignored.
    let mut all = metadata.get_all("authorization").iter();
    let (first, second) = (all.next(), all.next());
    let only = first.filter(|_| second.is_none());
    agent_auth::bearer(only.and_then(|value| value.to_str().ok())).map(BearerToken::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_is_read_from_one_header_and_no_other_way() {
        let mut metadata = MetadataMap::new();
        assert!(bearer(&metadata).is_err());
        metadata.insert("authorization", "Basic abc".parse().unwrap());
        assert!(bearer(&metadata).is_err());
        metadata.insert("authorization", "Bearer abc".parse().unwrap());
        assert_eq!(bearer(&metadata).unwrap().reveal(), "abc");
        metadata.append("authorization", "Bearer def".parse().unwrap());
        assert!(bearer(&metadata).is_err());
    }
}
