//! The tree, tested against a slow and obvious model and against its promises.
#![allow(clippy::unwrap_used)]

mod agrees;
mod bounds;
mod change;
mod exact;
mod explain;
mod flood;
mod model;
mod shares;
