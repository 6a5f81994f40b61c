//! A hierarchical token bucket that shares bytes among the leaves of a tree, in the words of `tc` in Linux.
//!
//! Each node has an assured `rate` and a `ceil`. A leaf above its rate borrows from the nearest ancestor that is not,
//! ultimately from the root, which always lends. No ceil on the path is ever exceeded. Assured bytes are served first,
//! in proportion to `rate`, then borrowed ones by `prio` and, among equals, by `weight`.
//!
//! Two laws hold in every window of length T. At most ceil·T + `cburst` + 255 bytes are granted through any node. A
//! backlogged leaf is granted at least rate·T − 255 bytes if no ceil above it binds, and little less otherwise;
//! docs/adr/0002 says how little, and why the queues are ordered as they are.
//!
//! The crate is a pure state machine over integers: it reads no clock and owns no bytes, and the answer of
//! [`dequeue`](Tree::dequeue) is *grant*, *wait until*, *wait for supply* or *idle*. It allocates when a node is added
//! or a queue grows, never per request. It knows no names, except in [`pool`].
//!
//! Start with [`Tree`]; for the classes, namespaces and members of a pool with [`pool::PoolShaper`].

#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

extern crate alloc;

mod bucket;
mod fair;
mod heap;
mod node;
mod nodes;
pub mod pool;
pub mod slab;
mod stats;
mod tree;
mod units;

pub use node::{DEFAULT_PRIO, DEFAULT_WEIGHT, MAX_PRIO, Params, quantum};
pub use slab::NodeId;
pub use stats::{Binding, BindingLimit, BucketLevels, Mode, Stats};
pub use tree::{Decision, ParentError, RemoveError, Tree};
pub use units::{MAX_GRANT, MAX_OWED, Rate, Tick};
