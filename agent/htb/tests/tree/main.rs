//! The tree as its users see it: against a slow, obvious model, and against its promises.
#![allow(clippy::unwrap_used)]

mod agrees;
mod model;
