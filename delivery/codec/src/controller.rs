//! What a controller says.

use std::sync::Arc;

use delivery::{EncodedResource, FromController, Move, ResourceName, Span, Update};
use prost::bytes::Bytes;
use proto::delivery as wire;
use proto::delivery::from_controller::Message;

use crate::error::DecodeError;
use crate::version;

const MILLISECOND: u64 = Span::millis(1).0;

/// As it is sent.
pub fn to_wire(message: FromController<Bytes>) -> wire::FromController {
    let message = match message {
        FromController::Update(update) => Message::Update(update_to_wire(update)),
        FromController::Move(Move { ticket, uid, class }) => Message::Move(wire::Move { ticket, uid, class }),
        FromController::Authenticate => Message::Authenticate(wire::Authenticate {}),
        FromController::Goodbye { spread } => {
            // More than 49 days is as good as 49 days.
            let spread = u32::try_from(spread.0 / MILLISECOND).unwrap_or(u32::MAX);
            Message::Goodbye(wire::Goodbye { spread })
        }
    };
    wire::FromController { message: Some(message) }
}

/// As it was meant.
pub fn from_wire(message: wire::FromController) -> Result<FromController<Bytes>, DecodeError> {
    Ok(match message.message.ok_or(DecodeError::Empty)? {
        Message::Update(update) => FromController::Update(update_of_wire(update)?),
        Message::Move(wire::Move { ticket, uid, class }) => FromController::Move(Move { ticket, uid, class }),
        Message::Authenticate(wire::Authenticate {}) => FromController::Authenticate,
        Message::Goodbye(wire::Goodbye { spread }) => {
            FromController::Goodbye { spread: Span::millis(spread.into()) }
        }
    })
}

fn update_to_wire(update: Update<Bytes>) -> wire::Update {
    let resource = |(name, item): (ResourceName, EncodedResource<Bytes>)| wire::Resource {
        name: name.to_string(),
        hash: item.hash.0.to_vec(),
        body: item.body,
    };
    wire::Update {
        nonce: update.nonce,
        version: Some(version::to_wire(&update.version)),
        base: update.base.0.to_vec(),
        changed: update.changed.into_iter().map(resource).collect(),
        removed: update.removed.iter().map(ToString::to_string).collect(),
        listed: update.listed,
    }
}

fn update_of_wire(update: wire::Update) -> Result<Update<Bytes>, DecodeError> {
    let resource = |resource: wire::Resource| {
        let hash = version::hash("hash", &resource.hash)?;
        Ok((ResourceName::from(resource.name), EncodedResource { hash, body: resource.body }))
    };
    Ok(Update {
        nonce: update.nonce,
        version: version::of_wire(update.version),
        base: version::hash("base", &update.base)?,
        changed: update.changed.into_iter().map(resource).collect::<Result<_, _>>()?,
        removed: update.removed.into_iter().map(Arc::from).collect(),
        listed: update.listed,
    })
}
