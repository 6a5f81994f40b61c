//! A node's configuration as resources that travel by themselves.

use std::sync::Arc;

use delivery::{EncodedResource, Hash, NodeConfig, Resource, ResourceName, ResourceSet};
use prost::Message;
use prost::bytes::Bytes;
use proto::delivery as wire;
use sha2::{Digest, Sha256};

use crate::error::DecodeError;
use crate::pool;

/// Encodes a configuration, once for all nodes that serve the same.
pub fn encode(config: &NodeConfig) -> ResourceSet<Bytes> {
    let item = |part: Resource| {
        let name = part.name();
        let body = Bytes::from(wire::Body { body: Some(body(part)) }.encode_to_vec());
        (Arc::clone(&name), EncodedResource { hash: hash(&name, &body), body })
    };
    delivery::split(config).map(item).collect()
}

/// Reads a configuration. Resources of a kind that this version does not know are passed over.
pub fn decode(content: &ResourceSet<Bytes>) -> Result<NodeConfig, DecodeError> {
    let mut parts = Vec::with_capacity(content.len());
    for (name, item) in content.items() {
        let named = |source| DecodeError::Resource { name: name.to_string(), source: Box::new(source) };
        parts.extend(part(name, &item.body).map_err(named)?);
    }
    delivery::assemble(parts).map_err(DecodeError::Assemble)
}

fn body(part: Resource) -> wire::body::Body {
    match part {
        Resource::Pool(pool) => wire::body::Body::Pool(pool::pool_to_wire(pool)),
        Resource::Class { pool, class, inherits } => {
            wire::body::Body::Class(pool::class_to_wire(pool, class, inherits))
        }
        Resource::Node { pod_info_on_mount } => wire::body::Body::Node(wire::Node { pod_info_on_mount }),
    }
}

fn part(name: &ResourceName, body: &Bytes) -> Result<Option<Resource>, DecodeError> {
    let unreadable = |source| DecodeError::Bytes { what: "its body".to_owned(), source };
    let part = match wire::Body::decode(body.clone()).map_err(unreadable)?.body {
        None => return Ok(None),
        Some(wire::body::Body::Pool(pool)) => Resource::Pool(pool::pool_of_wire(pool)?),
        Some(wire::body::Body::Class(class)) => pool::class_of_wire(class)?,
        Some(wire::body::Body::Node(node)) => Resource::Node { pod_info_on_mount: node.pod_info_on_mount },
    };
    // One that is called otherwise than it is would stand beside itself.
    if part.name() == *name {
        Ok(Some(part))
    } else {
        Err(DecodeError::value("its body's name", &part.name(), "a resource is called as its body is"))
    }
}

fn hash(name: &str, body: &[u8]) -> Hash {
    let sum = Sha256::new().chain_update(name).chain_update([0]).chain_update(body).finalize();
    let mut hash = Hash::default();
    // Half of it: nobody gains by two that are the same, whoever writes one may write the other.
    hash.0.copy_from_slice(&sum[..16]);
    hash
}
