//! The real `entropool-agent` and the controller's half of the conversation, over gRPC and TLS on loopback.
#![allow(clippy::unwrap_used)]

mod config;
mod faults;
mod network;
mod node;
mod replica;
mod steps;
