//! The protocol between agent and controller as protobuf, in both directions.
//!
//! It is the only place where the types of `delivery` meet the generated ones. It opens no connections and decides
//! nothing. Start with [`encode`] and [`decode`] for the configuration of a node, [`agent`] and [`controller`] for
//! messages.
//!
//! An unknown value is an error if it is a promise (an output mode, a health test), and is skipped if it is an addition
//! (a resource of a new kind).
#![forbid(unsafe_code)]

pub mod agent;
pub mod controller;
mod error;
mod node_config;
mod pool;
mod report;
mod source;

pub use controller::{ENCODING, decode_persisted, encode_persisted};
pub use error::DecodeError;
pub use node_config::{DecodedConfig, decode, decode_pools, encode};
pub use prost::bytes::Bytes;
