//! What makes a pool's bytes from its sources' samples.
//!
//! [`choose`] decides which sources are active from and what is served, a [`Mode`] makes the bytes, and [`Engine`]
//! brings both together, told the time; [`thread`] waits for it.

mod core;
mod full_entropy;
mod inputs;
mod kernel_seed;
mod member;
mod pool;
mod raw;
mod selection;
mod stretched;
mod thread;

pub(crate) use self::core::Engine;
pub(crate) use kernel_seed::KernelBytes;
pub(crate) use member::{Link, Member, Origin};
pub(crate) use pool::{Pool, PoolState};
pub use selection::Serving;
pub(crate) use thread::start;
