//! Makes a pool's bytes from its sources' samples.
//!
//! `selection` decides which sources are active and what is served, `mode` makes the bytes with `full_entropy` or
//! `stretched`, and [`Engine`] combines them and takes the time as an argument.

mod core;
mod full_entropy;
mod inputs;
mod mode;
mod pool;
mod selection;
mod stretched;

pub(crate) use self::core::{Engine, spawn};
pub(crate) use inputs::KernelBytes;
pub(crate) use pool::{Member, Origin, Pool, PoolState, Subscription};
pub use selection::Serving;
