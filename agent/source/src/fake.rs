//! A noise source that does what a test tells it to, and a node in virtual time without a thread.

mod node;
mod noise;

pub(crate) use node::{Node, SECOND, device, pool};
pub(crate) use noise::{Fake, Manner};
