//! Rewrites the `<rng>` device of a libvirt domain and leaves every other byte as it is.
//!
//! [`connect`] connects the device to an EGD socket, and [`disconnect`] returns it to the host's generator. [`translate`]
//! rewrites the spellings of pools that were proposed to libvirt in 2012 and 2013. [`select`] and [`selection`] write and
//! read the pool and class in the domain's metadata. All are pure functions of the text and idempotent,
//! and take time in proportion to its size.
//!
//! This crate does not know where sockets are or which pools exist. Start with [`connect`].
#![forbid(unsafe_code)]

mod backend;
mod complexity;
mod document;
mod edit;
mod error;
mod rewrite;
mod selection;
mod translate;

pub use document::name;
pub use error::DomainError;
pub use rewrite::{connect, disconnect, socket};
pub use selection::{NAMESPACE, PoolSelection, deselect, select, selection};
pub use translate::{Translation, translate};
