//! Rewrites the one `<rng>` of a libvirt domain, both ways, and leaves every other byte as it was.
//!
//! [`connect`] has the device ask an EGD socket, [`disconnect`] gives it back to the host's generator, [`translate`]
//! turns the spellings in which pools were proposed to libvirt in 2012 and 2013 into today's, and [`choice`] and
//! [`choose`] keep in the domain's metadata which pool and class it is to have. All are pure functions of the text,
//! and saying the same thing twice changes nothing the second time.
//!
//! This crate refuses to know where sockets lie, what pools exist, and anything of a domain but its random number
//! generator. Start with [`connect`].
#![forbid(unsafe_code)]

mod backend;
mod choice;
mod document;
mod edit;
mod error;
mod rewrite;
mod translate;

pub use choice::{Choice, NAMESPACE, choice, choose, forget};
pub use document::name;
pub use error::DomainError;
pub use rewrite::{connect, disconnect, socket};
pub use translate::{Translation, translate};
