//! The configuration of a node as encoded resources, with their hashes and their version.

use std::sync::Arc;

use delivery::{
    EncodedResource, Hash, NodeConfig, Resource, ResourceName, ResourceSet, Version, WatchedKind,
};
use prost::Message;
use prost::bytes::Bytes;
use proto::delivery as pb;
use sha2::{Digest, Sha256};

use crate::error::DecodeError;
use crate::pool;

/// Encodes a configuration, once for all nodes with the same one.
pub fn encode(config: &NodeConfig) -> ResourceSet<Bytes> {
    let item = |part: Resource| {
        let name = part.name();
        let body = Bytes::from(pb::Body { body: Some(body(part)) }.encode_to_vec());
        (Arc::clone(&name), EncodedResource { hash: hash(&name, &body), body })
    };
    delivery::split(config).map(item).collect()
}

/// Decodes a configuration. Resources of kinds that this version does not know are skipped.
pub fn decode(content: &ResourceSet<Bytes>) -> Result<NodeConfig, DecodeError> {
    let mut parts = Vec::with_capacity(content.len());
    for (name, item) in content.items() {
        let named = |source| DecodeError::Resource { name: name.to_string(), source: Box::new(source) };
        parts.extend(part(name, &item.body).map_err(named)?);
    }
    delivery::assemble(parts).map_err(DecodeError::Assemble)
}

fn body(part: Resource) -> pb::body::Body {
    match part {
        Resource::Pool(pool) => pb::body::Body::Pool(pool::pool_to_proto(pool)),
        Resource::Class { pool, class, inherits } => {
            pb::body::Body::Class(pool::class_to_proto(pool, class, inherits))
        }
        Resource::Node { pod_info_on_mount } => pb::body::Body::Node(pb::Node { pod_info_on_mount }),
    }
}

fn part(name: &ResourceName, body: &Bytes) -> Result<Option<Resource>, DecodeError> {
    let unreadable = |source| DecodeError::Bytes { what: "its body".to_owned(), source };
    let part = match pb::Body::decode(body.clone()).map_err(unreadable)?.body {
        None => return Ok(None),
        Some(pb::body::Body::Pool(pool)) => Resource::Pool(pool::pool_from_proto(pool)?),
        Some(pb::body::Body::Class(class)) => pool::class_from_proto(class)?,
        Some(pb::body::Body::Node(node)) => Resource::Node { pod_info_on_mount: node.pod_info_on_mount },
    };
    // A resource under a wrong name would exist beside the right one.
    if part.name() == *name {
        Ok(Some(part))
    } else {
        Err(DecodeError::value("the name of its body", &part.name(), "it must be the name of the resource"))
    }
}

fn hash(name: &str, body: &[u8]) -> Hash {
    let sum = Sha256::new().chain_update(name).chain_update([0]).chain_update(body).finalize();
    let mut hash = Hash::default();
    // Half of the digest suffices: only an author of both resources could construct a collision.
    hash.0.copy_from_slice(&sum[..16]);
    hash
}

pub(crate) fn version_to_proto(version: &Version) -> pb::Version {
    // A kind that only newer peers know is passed on as its number.
    let seen = |(kind, resource_version): (WatchedKind, u64)| pb::Seen {
        kind: kind.0.cast_signed(),
        resource_version,
    };
    pb::Version { seen: version.seen().map(seen).collect() }
}

pub(crate) fn version_from_proto(version: Option<pb::Version>) -> Version {
    let seen = version.unwrap_or_default().seen;
    seen.into_iter().map(|seen| (WatchedKind(seen.kind.cast_unsigned()), seen.resource_version)).collect()
}

pub(crate) fn hash_from_proto(field: &'static str, bytes: &[u8]) -> Result<Hash, DecodeError> {
    let right = "it must have 16 bytes";
    let sized = |_| DecodeError::value(field, &format!("{} bytes", bytes.len()), right);
    Ok(Hash(bytes.try_into().map_err(sized)?))
}
