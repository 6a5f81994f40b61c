//! For tests, also of other crates: a noise source with injected faults, and a node in virtual time without threads.

mod fake_node;
mod fake_noise;

pub use fake_node::{FakeNode, SECOND, device, pool};
pub use fake_noise::{Fake, FakeBehaviour};
