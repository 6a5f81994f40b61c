//! What is on disk after everything that can happen to it: the old state or the new one, never a mixture.
#![allow(clippy::unwrap_used)]

mod cuts;
mod faults;
mod figures;
mod flips;
mod garbage;
mod host;
mod model;
mod random;
mod states;
mod writer;
