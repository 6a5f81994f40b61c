//! When the sockets of workers that die are given up: one of them may be what kills them.

use std::time::Duration;

/// A worker that lives for longer does not die of what it was passed.
const SHORT: Duration = Duration::from_secs(10);
/// How many workers in a row may die so.
const MAX_DEATHS: u32 = 2;

/// A worker that was passed the sockets of another one, and died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// By a panic, a fault or a hang, and not killed from outside.
    pub(super) by_itself: bool,
    pub(super) lived: Duration,
}

/// Counts the workers in a row that may have died of the sockets that they were passed.
#[derive(Debug, Default)]
pub(super) struct CrashLoop {
    deaths: u32,
}

impl CrashLoop {
    /// Whether the sockets are to be given up.
    pub(super) fn count(&mut self, death: Death) -> bool {
        let Death { by_itself, lived } = death;
        if lived > SHORT {
            self.deaths = 0;
        } else if by_itself {
            self.deaths += 1;
        }
        let over = self.deaths >= MAX_DEATHS;
        if over {
            self.deaths = 0;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[test]
    fn sockets_are_given_up_once_two_workers_in_a_row_have_died_of_themselves() {
        let mut crash_loop = CrashLoop::default();
        let death = Death { by_itself: true, lived: SOON };
        assert_eq!([(); 4].map(|()| crash_loop.count(death)), [false, true, false, true]);
    }

    #[test]
    fn who_kills_workers_from_outside_closes_no_connection() {
        let mut crash_loop = CrashLoop::default();
        let killed = Death { by_itself: false, lived: SOON };
        assert!((0..1_000).all(|_| !crash_loop.count(killed)));
    }

    #[test]
    fn a_worker_that_lived_long_begins_the_count_again() {
        let mut crash_loop = CrashLoop::default();
        let soon = Death { by_itself: true, lived: SOON };
        let late = Death { by_itself: true, lived: Duration::from_secs(11) };
        assert_eq!(
            [soon, late, soon, soon].map(|death| crash_loop.count(death)),
            [false, false, false, true]
        );
    }
}
