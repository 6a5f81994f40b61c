//! Both halves of the conversation, against each other, under a virtual clock.
#![allow(clippy::unwrap_used)]

mod faults;
mod publisher;
mod replicas;
mod steps;
mod world;
