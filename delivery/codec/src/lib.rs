//! The conversation between agent and controller as protobuf, both ways.
//!
//! The only place where the types of `delivery` and the generated ones meet: both programs use it, so that neither
//! has a translation of its own. It refuses to open a connection and to decide anything beyond what a message means.
//! Start with [`encode`] and [`decode`] for a node's configuration, [`agent`] and [`controller`] for what is said.
//!
//! A value that is not known is refused where it is a promise (an output mode, a health test) and passed over where
//! it is an addition (a resource of a kind to come).
#![forbid(unsafe_code)]

pub mod agent;
pub mod controller;
mod error;
mod persisted;
mod pool;
mod report;
mod resource;
mod source;
mod version;

pub use error::DecodeError;
pub use persisted::{ENCODING, decode_persisted, encode_persisted};
pub use prost::bytes::Bytes;
pub use resource::{decode, encode};
