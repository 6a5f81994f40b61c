//! The configuration of a node as encoded resources, with their hashes and their version.

use std::collections::BTreeMap;
use std::sync::Arc;

use delivery::limits::MOST_KINDS;
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

/// A configuration, without the pools that this version does not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodedConfig {
    pub config: NodeConfig,
    /// The other pools, in ascending order of names.
    pub undecoded: Vec<(String, DecodeError)>,
}

/// Decodes a configuration as a whole or not at all.
pub fn decode(content: &ResourceSet<Bytes>) -> Result<NodeConfig, DecodeError> {
    let DecodedConfig { config, undecoded } = decode_pools(content)?;
    match undecoded.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(config),
    }
}

/// Decodes a configuration pool by pool. Resources of kinds that this version does not know are skipped. Only one that
/// belongs to no pool fails as a whole.
pub fn decode_pools(content: &ResourceSet<Bytes>) -> Result<DecodedConfig, DecodeError> {
    let mut pools: BTreeMap<&str, Result<Vec<Resource>, DecodeError>> = BTreeMap::new();
    let mut of_node = Vec::new();
    for (name, item) in content.items() {
        let named = |source| DecodeError::Resource { name: name.to_string(), source: Box::new(source) };
        let part = part(name, &item.body).map_err(named);
        match delivery::pool_of(name) {
            None => of_node.extend(part?),
            Some(pool) => {
                let parts = pools.entry(pool).or_insert_with(|| Ok(Vec::new()));
                // The first error of a pool is enough.
                if let Ok(known) = parts {
                    match part {
                        Ok(part) => known.extend(part),
                        Err(error) => *parts = Err(error),
                    }
                }
            }
        }
    }
    let mut decoded = DecodedConfig {
        config: delivery::assemble(of_node).map_err(DecodeError::Assemble)?,
        undecoded: Vec::new(),
    };
    for (name, parts) in pools {
        match parts.and_then(|parts| delivery::assemble(parts).map_err(DecodeError::Assemble)) {
            Ok(pool) => decoded.config.pools.extend(pool.pools),
            Err(error) => decoded.undecoded.push((name.to_owned(), error)),
        }
    }
    Ok(decoded)
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
    let seen = seen.into_iter().take(MOST_KINDS);
    seen.map(|seen| (WatchedKind(seen.kind.cast_unsigned()), seen.resource_version)).collect()
}

pub(crate) fn hash_from_proto(field: &'static str, bytes: &[u8]) -> Result<Hash, DecodeError> {
    let right = "it must have 16 bytes";
    let sized = |_| DecodeError::value(field, &format!("{} bytes", bytes.len()), right);
    Ok(Hash(bytes.try_into().map_err(sized)?))
}
