//! The thread around an engine.

use std::io;
use std::sync::Arc;
use std::thread::{JoinHandle, park, park_timeout};
use std::time::Duration;

use super::core::Engine;
use super::pool::Pool;
use crate::Clock;

/// Starts the thread that makes a pool's bytes. It ends when nobody draws from the pool any more.
pub(crate) fn start(pool: Arc<Pool>, mut engine: Engine, clock: Clock) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("pool".into()).spawn(move || {
        pool.engine.me();
        while !pool.pipe.is_stopped() {
            // A wake since the step began makes either return at once.
            match engine.step(clock()) {
                None => park(),
                Some(due) => park_timeout(Duration::from_nanos(due.saturating_sub(clock()))),
            }
        }
    })
}
