//! A kubelet's calls against the real service, over its sockets.
#![allow(clippy::unwrap_used)]

mod bad;
mod config;
mod figures;
mod hand_over;
mod kubelet;
mod life;
mod mount;
mod node;
mod program;
mod restart;
mod sanity;
mod word;
