//! Messages of agents.

use delivery::limits::{LONGEST_MESSAGE, LONGEST_RESOURCE_NAME, LONGEST_WORD, MOST_CAPABILITIES, MOST_HELD};
use delivery::{AgentSubscription, BearerToken, FromAgent, Nack, PoolRefusal, ResourceName};
use proto::delivery as pb;
use proto::delivery::from_agent::Message;

use crate::error::DecodeError;
use crate::{node_config, report};

pub fn to_proto(message: FromAgent) -> pb::FromAgent {
    let message = match message {
        FromAgent::Subscribe(subscription) => Message::Subscribe(subscription_to_proto(subscription)),
        FromAgent::Ack { nonce, refused } => {
            Message::Ack(pb::Ack { nonce, refused: refused.into_iter().map(refusal_to_proto).collect() })
        }
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
        Message::Ack(pb::Ack { nonce, refused }) => {
            FromAgent::Ack { nonce, refused: refused.into_iter().map(refusal_from_proto).collect() }
        }
        Message::Nack(pb::Nack { nonce, reason, message }) => {
            FromAgent::Nack { nonce, refusal: bounded(reason, message) }
        }
        Message::Report(report) => FromAgent::Report(report::from_proto(report)),
        Message::Token(pb::Token { token }) => FromAgent::Token(BearerToken::new(token)),
        Message::Moved(pb::Moved { ticket, reason, message }) => {
            let result = if reason.is_empty() { Ok(()) } else { Err(bounded(reason, message)) };
            FromAgent::Moved { ticket, result }
        }
    })
}

/// A refusal is kept, shown and logged.
fn bounded(reason: String, message: String) -> Nack {
    Nack { reason: cut(reason, LONGEST_WORD), message: cut(message, LONGEST_MESSAGE) }
}

/// The beginning of a text that has at most so many bytes.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.shrink_to_fit();
    }
    text
}

fn refusal_to_proto(PoolRefusal { pool, refusal }: PoolRefusal) -> pb::PoolRefusal {
    let Nack { reason, message } = refusal;
    pb::PoolRefusal { pool, reason, message }
}

fn refusal_from_proto(pb::PoolRefusal { pool, reason, message }: pb::PoolRefusal) -> PoolRefusal {
    PoolRefusal { pool, refusal: bounded(reason, message) }
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
        if held.name.len() > LONGEST_RESOURCE_NAME {
            return Err(DecodeError::value(
                "the name of a resource",
                &held.name.len(),
                "it has 256 bytes at most",
            ));
        }
        Ok((ResourceName::from(held.name), node_config::hash_from_proto("hash", &held.hash)?))
    };
    let count = subscription.held.len();
    if count > MOST_HELD {
        return Err(DecodeError::value("the number of held resources", &count, "it is 32768 at most"));
    }
    let capabilities = subscription.capabilities.into_iter().take(MOST_CAPABILITIES);
    let capabilities = capabilities.map(|word| cut(word, LONGEST_WORD));
    Ok(AgentSubscription {
        node: subscription.node,
        agent_version: cut(subscription.agent_version, LONGEST_WORD),
        capabilities: capabilities.collect(),
        version: node_config::version_from_proto(subscription.version),
        held: subscription.held.into_iter().map(held).collect::<Result<_, _>>()?,
    })
}
