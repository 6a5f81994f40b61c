//! What an agent says.

use delivery::{FromAgent, Nack, ResourceName, Subscription, Token};
use proto::delivery as wire;
use proto::delivery::from_agent::Message;

use crate::error::DecodeError;
use crate::{report, version};

/// As it is sent.
pub fn to_wire(message: FromAgent) -> wire::FromAgent {
    let message = match message {
        FromAgent::Subscribe(subscription) => Message::Subscribe(subscription_to_wire(subscription)),
        FromAgent::Ack { nonce } => Message::Ack(wire::Ack { nonce }),
        FromAgent::Nack { nonce, refusal: Nack { reason, message } } => {
            Message::Nack(wire::Nack { nonce, reason, message })
        }
        FromAgent::Report(report) => Message::Report(report::to_wire(report)),
        FromAgent::Token(token) => Message::Token(wire::Token { token: token.reveal().to_owned() }),
        FromAgent::Moved { ticket, result } => {
            let Nack { reason, message } = result.err().unwrap_or_else(|| Nack::new("", ""));
            Message::Moved(wire::Moved { ticket, reason, message })
        }
    };
    wire::FromAgent { message: Some(message) }
}

/// As it was meant.
pub fn from_wire(message: wire::FromAgent) -> Result<FromAgent, DecodeError> {
    Ok(match message.message.ok_or(DecodeError::Empty)? {
        Message::Subscribe(subscription) => FromAgent::Subscribe(subscription_of_wire(subscription)?),
        Message::Ack(wire::Ack { nonce }) => FromAgent::Ack { nonce },
        Message::Nack(wire::Nack { nonce, reason, message }) => {
            FromAgent::Nack { nonce, refusal: Nack { reason, message } }
        }
        Message::Report(report) => FromAgent::Report(report::of_wire(report)),
        Message::Token(wire::Token { token }) => FromAgent::Token(Token::new(token)),
        Message::Moved(wire::Moved { ticket, reason, message }) => {
            let result = if reason.is_empty() { Ok(()) } else { Err(Nack { reason, message }) };
            FromAgent::Moved { ticket, result }
        }
    })
}

fn subscription_to_wire(said: Subscription) -> wire::Subscription {
    let held = |(name, hash): (ResourceName, delivery::Hash)| wire::Held {
        name: name.to_string(),
        hash: hash.0.to_vec(),
    };
    wire::Subscription {
        node: said.node,
        agent_version: said.agent_version,
        capabilities: said.capabilities,
        version: Some(version::to_wire(&said.version)),
        held: said.held.into_iter().map(held).collect(),
    }
}

fn subscription_of_wire(said: wire::Subscription) -> Result<Subscription, DecodeError> {
    let held = |held: wire::Held| Ok((ResourceName::from(held.name), version::hash("hash", &held.hash)?));
    Ok(Subscription {
        node: said.node,
        agent_version: said.agent_version,
        capabilities: said.capabilities,
        version: version::of_wire(said.version),
        held: said.held.into_iter().map(held).collect::<Result<_, _>>()?,
    })
}
