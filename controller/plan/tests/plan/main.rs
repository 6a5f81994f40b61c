//! Plans as a user sees them: manifests in, verdicts and configurations out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cluster;

mod accepted;
mod effective;
mod many;
mod nodes;
mod order;
mod quickstart;
mod refused;
mod told;
