//! A kubelet's calls against the real service, over its sockets.
#![allow(clippy::unwrap_used)]

mod bad;
mod config;
mod figures;
mod kubelet;
mod life;
mod mount;
mod node;
mod restart;
mod sanity;
