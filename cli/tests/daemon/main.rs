//! The real program: a daemon in a directory of its own, asked by every verb.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod callers;
mod change;
mod clone;
mod failover;
mod planned;
mod refusals;
mod restart;
mod secrets;
mod sources;
mod story;
mod support;
mod upstream;
mod verbs;
