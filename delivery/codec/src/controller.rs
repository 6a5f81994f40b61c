//! Messages of controllers, and the persisted configuration, which is encoded as an update.

use std::sync::Arc;

use delivery::{EncodedResource, FromController, Move, ResourceName, ResourceSet, Span, Update, Version};
use prost::Message as _;
use prost::bytes::Bytes;
use proto::delivery as pb;
use proto::delivery::from_controller::Message;

use crate::error::DecodeError;
use crate::node_config;

const MILLISECOND: u64 = Span::millis(1).0;

pub fn to_proto(message: FromController<Bytes>) -> pb::FromController {
    let message = match message {
        FromController::Update(update) => Message::Update(update_to_proto(update)),
        FromController::Move(Move { ticket, uid, class }) => Message::Move(pb::Move { ticket, uid, class }),
        FromController::Authenticate => Message::Authenticate(pb::Authenticate {}),
        FromController::Goodbye { spread } => {
            // More than 49 days is no different from 49 days.
            let spread = u32::try_from(spread.0 / MILLISECOND).unwrap_or(u32::MAX);
            Message::Goodbye(pb::Goodbye { spread })
        }
    };
    pb::FromController { message: Some(message) }
}

pub fn from_proto(message: pb::FromController) -> Result<FromController<Bytes>, DecodeError> {
    Ok(match message.message.ok_or(DecodeError::Empty)? {
        Message::Update(update) => FromController::Update(update_from_proto(update)?),
        Message::Move(pb::Move { ticket, uid, class }) => FromController::Move(Move { ticket, uid, class }),
        Message::Authenticate(pb::Authenticate {}) => FromController::Authenticate,
        Message::Goodbye(pb::Goodbye { spread }) => {
            FromController::Goodbye { spread: Span::millis(spread.into()) }
        }
    })
}

fn update_to_proto(update: Update<Bytes>) -> pb::Update {
    let to_proto = |(name, item): (ResourceName, EncodedResource<Bytes>)| pb::Resource {
        name: name.to_string(),
        hash: item.hash.0.to_vec(),
        body: item.body,
    };
    pb::Update {
        nonce: update.nonce,
        version: Some(node_config::version_to_proto(&update.version)),
        base: update.base.0.to_vec(),
        changed: update.changed.into_iter().map(to_proto).collect(),
        removed: update.removed.iter().map(ToString::to_string).collect(),
        listed: update.listed,
    }
}

fn update_from_proto(update: pb::Update) -> Result<Update<Bytes>, DecodeError> {
    let decode = |resource: pb::Resource| {
        let hash = node_config::hash_from_proto("hash", &resource.hash)?;
        Ok((ResourceName::from(resource.name), EncodedResource { hash, body: resource.body }))
    };
    Ok(Update {
        nonce: update.nonce,
        version: node_config::version_from_proto(update.version),
        base: node_config::hash_from_proto("base", &update.base)?,
        changed: update.changed.into_iter().map(decode).collect::<Result<_, _>>()?,
        removed: update.removed.into_iter().map(Arc::from).collect(),
        listed: update.listed,
    })
}

/// The version of the persisted encoding.
pub const ENCODING: u16 = 1;

/// Encodes what is in effect, for the disk. Bodies are kept as received: a later version may understand more of
/// them.
pub fn encode_persisted(version: &Version, content: &ResourceSet<Bytes>) -> Vec<u8> {
    let changed = content.items().map(|(name, item)| (Arc::clone(name), item.clone())).collect();
    let (version, base) = (version.clone(), content.digest());
    let update = Update { nonce: 0, version, base, changed, removed: Vec::new(), listed: false };
    to_proto(FromController::Update(update)).encode_to_vec()
}

pub fn decode_persisted(bytes: &[u8]) -> Result<(Version, ResourceSet<Bytes>), DecodeError> {
    let unreadable = |source| DecodeError::Bytes { what: "the persisted configuration".to_owned(), source };
    let message = pb::FromController::decode(Bytes::copy_from_slice(bytes)).map_err(unreadable)?;
    let FromController::Update(update) = from_proto(message)? else {
        return Err(DecodeError::Empty);
    };
    Ok((update.version, update.changed.into_iter().collect()))
}
