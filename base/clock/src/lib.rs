//! Time as an argument: instants, and decisions that depend on them, in integer nanoseconds.
//!
//! Nothing here reads a clock, sleeps or starts a timer: callers pass the current [`Tick`] and wait until the one they
//! get back, so that every state machine built on it also runs in virtual time. A crate with an event loop reads its
//! clock in one file and hands out ticks.
//!
//! [`RateLimiter`] bounds how often something happens, [`Backoff`] spaces attempts that fail, and [`DeadlineQueue`]
//! answers what is due.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod backoff;
mod deadline_queue;
mod rate_limiter;
mod tick;

pub use backoff::{Backoff, Exponential, Jitter};
pub use deadline_queue::DeadlineQueue;
pub use rate_limiter::{RateLimit, RateLimiter};
pub use tick::{Span, Tick};
