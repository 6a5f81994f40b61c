//! A clock that is honest on a busy machine: seconds of which each has as much waiting and as much work in it as ever.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Between two turns.
const REST: Duration = Duration::from_millis(9);
/// Steps of a turn: about a millisecond on a processor that has nothing else to do.
const STEPS: u64 = 1 << 20;
/// Turns in a second of a machine that is idle.
const A_SECOND: u64 = 100;

/// Counts the turns that a program gets which waits and works by turns, as those that are tested do: where they have to
/// wait for a processor, so has this.
pub(crate) struct WorkClock {
    taken: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl WorkClock {
    /// Counts from now on.
    pub(crate) fn begin() -> Self {
        let (taken, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let turns = Self { taken: Arc::clone(&taken), ended: Arc::clone(&ended) };
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(REST);
                black_box((0..STEPS).fold(1_u64, |sum, step| black_box(sum.wrapping_mul(31) ^ step)));
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        turns
    }

    /// How long it has been.
    pub(crate) fn passed(&self) -> Duration {
        Duration::from_millis(self.taken.load(Ordering::Relaxed) * 1_000 / A_SECOND)
    }
}

impl Drop for WorkClock {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
