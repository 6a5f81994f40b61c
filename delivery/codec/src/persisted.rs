//! A configuration as it is kept on disk.

use std::sync::Arc;

use delivery::{FromController, ResourceSet, Update, Version};
use prost::Message;
use prost::bytes::Bytes;
use proto::delivery as wire;

use crate::controller;
use crate::error::DecodeError;

/// The number of this encoding.
pub const ENCODING: u16 = 1;

/// What is in force, as bytes. Bodies are kept as they came: what this version does not understand, its successor may.
pub fn encode_persisted(version: &Version, content: &ResourceSet<Bytes>) -> Vec<u8> {
    let changed = content.items().map(|(name, item)| (Arc::clone(name), item.clone())).collect();
    let (version, base) = (version.clone(), content.digest());
    let update = Update { nonce: 0, version, base, changed, removed: Vec::new(), listed: false };
    controller::to_wire(FromController::Update(update)).encode_to_vec()
}

/// What was kept.
pub fn decode_persisted(bytes: &[u8]) -> Result<(Version, ResourceSet<Bytes>), DecodeError> {
    let unreadable = |source| DecodeError::Bytes { what: "what was kept".to_owned(), source };
    let message = wire::FromController::decode(Bytes::copy_from_slice(bytes)).map_err(unreadable)?;
    let FromController::Update(update) = controller::from_wire(message)? else {
        return Err(DecodeError::Empty);
    };
    Ok((update.version, update.changed.into_iter().collect()))
}
