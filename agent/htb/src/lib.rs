//! A hierarchical token bucket that shares bytes among the leaves of a tree, in the words of Linux' `tc`.
//!
//! Each node has an assured `rate` and a `ceil`. A leaf that is past its rate borrows from the nearest
//! ancestor that is not, in the end from the root, which always lends; every ceil on the way holds at all times.
//! Assured bytes go first, in proportion to `rate`; then borrowed ones by `prio` and, among equals, by `weight`.
//!
//! Two laws hold in every window of length T. Through any node go at most ceil·T + `cburst` + 255 bytes. A leaf with
//! backlog gets at least rate·T − 255 where no ceil above it binds, and little less where some do: how little, and why
//! queues are ordered as they are, is in docs/adr/0002.
//!
//! It is a pure state machine over integers: it reads no clock, owns no bytes, and answers
//! [`dequeue`](Tree::dequeue) with *grant*, *wait until*, *wait for supply* or *idle*. It allocates when a node is
//! made or first has much to do, never per request, and does not know names: those are
//! [`pool`]'s.
//!
//! Start with [`Tree`]; for the classes, namespaces and members of a pool with [`pool::Pool`].

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
mod params;
pub mod pool;
pub mod slab;
mod stats;
mod tree;
mod units;

pub use params::{DEFAULT_PRIO, DEFAULT_WEIGHT, MAX_PRIO, Params, quantum};
pub use slab::NodeId;
pub use stats::{Binding, BindingLimit, BucketLevels, Mode, Stats};
pub use tree::{Decision, ParentError, RemoveError, Tree};
pub use units::{MAX_GRANT, MAX_OWED, Rate, Tick};
