//! The gRPC service: who comes in, and on what terms.

use std::sync::Arc;

use delivery::Token;
use proto::delivery as wire;
use proto::delivery::delivery_server::Delivery;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::conversation::{Conversation, converse};
use super::hub::Hub;
use crate::trust::{Agent, Reviewed, Reviewer};
use crate::world::World;

/// Messages on their way to one agent: one update, and a move for each of its VMs.
const OUTBOX: usize = 256;

/// Serves agents.
pub(crate) struct Service {
    pub(super) world: Arc<World>,
    pub(super) reviewer: Arc<Reviewer>,
    pub(super) hub: Arc<Hub>,
    pub(super) leaving: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Delivery for Service {
    type SubscribeStream = ReceiverStream<Result<wire::FromController, Status>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        if *self.leaving.borrow() || !self.world.serves() {
            return Err(Status::unavailable(
                "this replica has nothing consistent to serve yet: try another, or later",
            ));
        }
        let agent = self.authenticate(request.metadata()).await?;
        info!(node = %agent.node, pod = %agent.pod, "an agent connected");
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let conversation = Conversation {
            world: Arc::clone(&self.world),
            reviewer: Arc::clone(&self.reviewer),
            place: self.hub.enter(&agent.node),
            hub: Arc::clone(&self.hub),
            leaving: self.leaving.clone(),
            agent,
            outbox,
        };
        tokio::spawn(converse(conversation, request.into_inner()));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Service {
    async fn authenticate(&self, metadata: &MetadataMap) -> Result<Agent, Status> {
        let token = bearer(metadata).ok_or_else(|| {
            Status::unauthenticated(
                "there is no token: send `authorization: Bearer TOKEN` with the agent's projected token",
            )
        })?;
        match self.reviewer.review(&token).await {
            Reviewed::Good(agent) => Ok(agent),
            Reviewed::Denied(refusal) => {
                info!(reason = %refusal.reason, message = %refusal.message, "an agent was turned away");
                Err(Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message)))
            }
            Reviewed::NotMade => Err(Status::unavailable(
                "the API server does not answer, so nobody new can be let in: try later",
            )),
        }
    }
}

fn bearer(metadata: &MetadataMap) -> Option<Token> {
    // Of two, neither is believed.
    let mut all = metadata.get_all("authorization").iter();
    let (first, second) = (all.next()?, all.next());
    let text = first.to_str().ok().filter(|_| second.is_none())?;
    Some(Token::new(text.strip_prefix("Bearer ")?.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_is_read_from_one_header_and_no_other_way() {
        let mut metadata = MetadataMap::new();
        assert!(bearer(&metadata).is_none());
        metadata.insert("authorization", "Basic abc".parse().unwrap());
        assert!(bearer(&metadata).is_none());
        metadata.insert("authorization", "Bearer abc".parse().unwrap());
        assert_eq!(bearer(&metadata).unwrap().reveal(), "abc");
        metadata.append("authorization", "Bearer def".parse().unwrap());
        assert!(bearer(&metadata).is_none());
    }
}
