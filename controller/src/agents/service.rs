//! The gRPC service: who comes in, and on what terms.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::clock::RateLimiter;
use delivery::agent_auth::{self, AgentIdentity, AuthError};
use delivery::limits::{STREAM_WAITS, STREAMS};
use delivery::{Nack, Token};
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

use super::stream::{AgentStream, run_stream};
use super::stream_registry::StreamRegistry;
use crate::ca::{ReviewResult, TokenReviewer};
use crate::clock;
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::EventRecorder;

/// Messages on their way to one agent: one update, and a move for each of its VMs.
const OUTBOX: usize = 256;
/// A watch that is alive brings a pod much sooner.
const POD_SEEN_WITHIN: Duration = Duration::from_secs(2);

/// What an agent is told.
pub(super) type Said = Result<wire::FromController, Status>;
/// The same on its way. Boxed: a queue keeps room for tens of them, and there are thousands of queues.
type Outgoing = Map<ReceiverStream<Box<Said>>, fn(Box<Said>) -> Said>;

/// Serves agents.
pub(crate) struct DeliveryService {
    world: Arc<SharedState>,
    reviewer: Arc<TokenReviewer>,
    hub: Arc<StreamRegistry>,
    herald: Arc<EventRecorder>,
    role: watch::Receiver<Leadership>,
    leaving: watch::Receiver<bool>,
    /// How many may come: each costs a review.
    limiter: Mutex<RateLimiter>,
}

#[tonic::async_trait]
impl Delivery for DeliveryService {
    type SubscribeStream = Outgoing;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        if *self.leaving.borrow() || !self.world.serves() {
            return Err(Status::unavailable(
                "this replica has nothing consistent to serve yet: try another, or later",
            ));
        }
        let wait = self.limiter().admit_within(STREAMS, clock::tick(), STREAM_WAITS);
        let Some(wait) = wait else {
            return Err(Status::resource_exhausted("too many agents come at once: try again"));
        };
        {
            let _waiting = self.world.queues.streams.join();
            tokio::time::sleep(wait.into()).await;
        }
        let agent = self.authenticate(request.metadata()).await?;
        self.confirm(&agent).await?;
        if let Some(permit) = request.extensions().get::<UnauthenticatedPermit>() {
            permit.release();
        }
        info!(node = %agent.node, pod = %agent.pod, "an agent connected");
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let conversation = AgentStream {
            world: Arc::clone(&self.world),
            reviewer: Arc::clone(&self.reviewer),
            place: self.hub.enter(&agent),
            hub: Arc::clone(&self.hub),
            herald: Arc::clone(&self.herald),
            role: self.role.clone(),
            leaving: self.leaving.clone(),
            agent,
            outbox,
        };
        tokio::spawn(run_stream(conversation, request.into_inner()));
        let unboxed: fn(Box<Said>) -> Said = |said| *said;
        Ok(Response::new(ReceiverStream::new(receiver).map(unboxed)))
    }
}

impl DeliveryService {
    /// That serves nobody yet.
    pub(super) fn new(
        world: Arc<SharedState>,
        reviewer: Arc<TokenReviewer>,
        herald: Arc<EventRecorder>,
        role: watch::Receiver<Leadership>,
        leaving: watch::Receiver<bool>,
    ) -> Self {
        Self { world, reviewer, hub: Arc::default(), herald, role, leaving, limiter: Mutex::default() }
    }

    /// Ends the streams of agents whose pods are gone.
    pub(super) fn warden(&self) -> impl Future<Output = ()> + Send + use<> {
        let (world, reviewer, hub) =
            (Arc::clone(&self.world), Arc::clone(&self.reviewer), Arc::clone(&self.hub));
        async move {
            let mut pods = world.agents.subscribe();
            while pods.changed().await.is_ok() {
                hub.end_unless(|agent| reviewer.confirm(agent, world.index().agent(&agent.pod)));
            }
        }
    }

    fn limiter(&self) -> MutexGuard<'_, RateLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn authenticate(&self, metadata: &MetadataMap) -> Result<AgentIdentity, Status> {
        let token = bearer(metadata).map_err(|denied| refused(&denied.to_nack()))?;
        match self.reviewer.review(&token).await {
            ReviewResult::Good(agent) => Ok(agent),
            ReviewResult::Denied(refusal) => Err(refused(&refusal)),
            ReviewResult::NotMade => Err(Status::unavailable(
                "the API server does not answer, so nobody new can be let in: try later",
            )),
        }
    }

    /// Whether the pod is there that the token was made for. The watch may bring a new one just after its first call.
    async fn confirm(&self, agent: &AgentIdentity) -> Result<(), Status> {
        let known = || self.reviewer.confirm(agent, self.world.index().agent(&agent.pod));
        let mut pods = self.world.agents.subscribe();
        let there = pods.wait_for(|_| known().is_ok());
        let there = tokio::time::timeout(POD_SEEN_WITHIN, there).await.is_ok();
        if there { Ok(()) } else { known().map_err(|denied| refused(&denied.to_nack())) }
    }
}

fn refused(refusal: &Nack) -> Status {
    info!(reason = %refusal.reason, message = %refusal.message, "an agent was turned away");
    Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message))
}

fn bearer(metadata: &MetadataMap) -> Result<Token, AuthError> {
    // Of two, neither is believed.
    let mut all = metadata.get_all("authorization").iter();
    let (one, another) = (all.next(), all.next());
    let one = one.filter(|_| another.is_none());
    agent_auth::bearer(one.and_then(|value| value.to_str().ok())).map(Token::new)
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
