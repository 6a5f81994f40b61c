//! The agent's only reader of the clock.

use htb::Tick;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of the timer: never set, never turned back.
pub fn now() -> Tick {
    tick(clock_gettime(ClockId::Monotonic))
}

/// Seconds of Unix time, for what outlives the boot. It may be set and go back.
pub(crate) fn wall() -> u64 {
    u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).unwrap_or(0)
}

fn tick(time: Timespec) -> Tick {
    // Counted from boot, it is never negative, and 64 bits of nanoseconds are 584 years.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Tick(seconds.saturating_mul(SECOND).saturating_add(nanoseconds))
}

/// The same instant in the kernel's type.
pub(crate) fn timespec(tick: Tick) -> Timespec {
    let seconds = i64::try_from(tick.0 / SECOND).unwrap_or(i64::MAX);
    // A remainder below 10⁹ fits.
    Timespec { tv_sec: seconds, tv_nsec: (tick.0 % SECOND).cast_signed() }
}

/// Nanoseconds in a millisecond.
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_same_after_conversion_both_ways() {
        for instant in [Tick(0), Tick(1), Tick(SECOND - 1), Tick(SECOND), Tick(1_234_567_890_123_456_789)] {
            assert_eq!(tick(timespec(instant)), instant);
        }
    }

    #[test]
    fn the_clock_never_goes_back() {
        let first = now();
        assert!(now() >= first);
    }
}
