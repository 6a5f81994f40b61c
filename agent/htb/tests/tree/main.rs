//! The tree as its users see it: against a slow, obvious model, and against its promises.
#![allow(clippy::unwrap_used)]

mod agrees;
mod bounds;
mod change;
mod exact;
mod explain;
mod flood;
mod model;
mod shares;
