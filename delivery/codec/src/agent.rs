//! Messages of agents.

use delivery::{AgentSubscription, BearerToken, FromAgent, Nack, ResourceName};
use proto::delivery as pb;
use proto::delivery::from_agent::Message;

use crate::error::DecodeError;
use crate::{node_config, report};

pub fn to_proto(message: FromAgent) -> pb::FromAgent {
    let message = match message {
        FromAgent::Subscribe(subscription) => Message::Subscribe(subscription_to_proto(subscription)),
        FromAgent::Ack { nonce } => Message::Ack(pb::Ack { nonce }),
        FromAgent::Nack { nonce, refusal: Nack { reason, message } } => {
            Message::Nack(pb::Nack { nonce, reason, message })
        }
        FromAgent::Report(report) => Message::Report(report::to_proto(report)),
        FromAgent::Token(token) => Message::Token(pb::Token { token: token.reveal().to_owned() }),
        FromAgent::Moved { ticket, result } => {
            let Nack { reason, message } = result.err().unwrap_or_else(|| Nack::new("", ""));
            Message::Moved(pb::Moved { ticket, reason, message })
        }
    };
    pb::FromAgent { message: Some(message) }
}

pub fn from_proto(message: pb::FromAgent) -> Result<FromAgent, DecodeError> {
    Ok(match message.message.ok_or(DecodeError::Empty)? {
        Message::Subscribe(subscription) => FromAgent::Subscribe(subscription_from_proto(subscription)?),
        Message::Ack(pb::Ack { nonce }) => FromAgent::Ack { nonce },
        Message::Nack(pb::Nack { nonce, reason, message }) => {
            FromAgent::Nack { nonce, refusal: Nack { reason, message } }
        }
        Message::Report(report) => FromAgent::Report(report::from_proto(report)),
        Message::Token(pb::Token { token }) => FromAgent::Token(BearerToken::new(token)),
        Message::Moved(pb::Moved { ticket, reason, message }) => {
            let result = if reason.is_empty() { Ok(()) } else { Err(Nack { reason, message }) };
            FromAgent::Moved { ticket, result }
        }
    })
}

fn subscription_to_proto(subscription: AgentSubscription) -> pb::Subscription {
    let held = |(name, hash): (ResourceName, delivery::Hash)| pb::Held {
        name: name.to_string(),
        hash: hash.0.to_vec(),
    };
    pb::Subscription {
        node: subscription.node,
        agent_version: subscription.agent_version,
        capabilities: subscription.capabilities,
        version: Some(node_config::version_to_proto(&subscription.version)),
        held: subscription.held.into_iter().map(held).collect(),
    }
}

fn subscription_from_proto(subscription: pb::Subscription) -> Result<AgentSubscription, DecodeError> {
    let held = |held: pb::Held| {
        Ok((ResourceName::from(held.name), node_config::hash_from_proto("hash", &held.hash)?))
    };
    Ok(AgentSubscription {
        node: subscription.node,
        agent_version: subscription.agent_version,
        capabilities: subscription.capabilities,
        version: node_config::version_from_proto(subscription.version),
        held: subscription.held.into_iter().map(held).collect::<Result<_, _>>()?,
    })
}
