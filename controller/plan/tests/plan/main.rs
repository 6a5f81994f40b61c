//! Plans as a user sees them: manifests in, decisions and configurations out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cluster;

mod accepted;
mod effective;
mod nodes;
mod properties;
mod quickstart;
mod rejections;
mod scale;
mod status;
