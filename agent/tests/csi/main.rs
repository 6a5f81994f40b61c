//! A kubelet's calls to the real CSI driver, over its sockets.
#![allow(clippy::unwrap_used)]

mod config;
mod figures;
mod handover;
mod invalid_requests;
mod kubelet;
mod mount;
mod node;
mod persisted;
mod program;
mod publish;
mod restart;
mod sanity;
