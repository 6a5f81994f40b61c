//! What makes a pool's bytes from its sources' samples.
//!
//! [`choose`] decides which sources are drawn from and what is served, a [`Mode`] makes the bytes, and [`Engine`]
//! brings both together, told the time; [`thread`] waits for it.

mod choice;
mod core;
mod full;
mod ingredients;
mod kernel_seed;
mod member;
mod pool;
mod raw;
mod stretch;
mod thread;

pub(crate) use self::core::Engine;
pub use choice::Serving;
pub(crate) use kernel_seed::KernelBytes;
pub(crate) use member::{Link, Member, Origin};
pub(crate) use pool::{Pool, Standing};
pub(crate) use thread::start;
