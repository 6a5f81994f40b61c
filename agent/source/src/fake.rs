//! A noise source that does what a test tells it to, and a node in virtual time without a thread: for tests, also those
//! of other crates.

mod node;
mod noise;

pub use node::{FakeNode, SECOND, device, pool};
pub use noise::{Fake, FakeBehaviour};
