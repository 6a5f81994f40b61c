//! When to read a source, to give it up, and to open it again.

use clock::{Backoff, Exponential, Jitter, Span};

/// Nanoseconds after which a read that brought nothing is a stall.
const STALL: u64 = 10_000_000_000;
/// Pauses of a source that says it is ready and is not, or cannot say.
const PAUSES: Exponential = Exponential { first: Span::micros(100), longest: Span::micros(100 << 10) };
/// Delays before a source that could not be read is opened again. They are jittered, so that sources that fail together
/// are not opened again together.
const RETRIES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(30) };
/// Bytes after which an opened source counts as back; before, it may be one that opens and fails at once.
const BACK: usize = 1024;

/// Nanoseconds after which a source that nobody wants to read is looked at, so that it is not called healthy when it
/// has long gone.
const PROBE: u64 = 10_000_000_000;

/// The timing of one source. Knows no source and no sample.
#[derive(Debug)]
pub(super) struct PollSchedule {
    backoff: Backoff,
    /// Not to be opened before.
    retry: u64,
    /// A read is out, and this is how long it is waited for.
    stall: Option<u64>,
    /// When it is looked at though nobody wants it.
    probe: u64,
    /// Bytes since it was opened, up to [`BACK`].
    came: usize,
    /// False promises of being ready since the last byte.
    misses: u32,
}

impl PollSchedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            backoff: Backoff::new(RETRIES, Jitter::Fifth, seed),
            retry: 0,
            stall: None,
            probe: 0,
            came: 0,
            misses: 0,
        }
    }

    pub(super) fn retry(&self) -> u64 {
        self.retry
    }

    pub(super) fn opened(&mut self, now: u64) {
        (self.stall, self.came, self.misses) = (None, 0, 0);
        self.probe = now.saturating_add(PROBE);
    }

    pub(super) fn lost(&mut self, now: u64) {
        self.stall = None;
        self.retry = now.saturating_add(self.backoff.delay().0);
    }

    /// Bytes came.
    pub(super) fn got(&mut self, count: usize, now: u64) {
        (self.stall, self.misses) = (None, 0);
        self.probe = now.saturating_add(PROBE);
        if self.came < BACK {
            self.came = self.came.saturating_add(count);
            if self.came >= BACK {
                self.backoff.reset();
            }
        }
    }

    /// Nobody wants to read. How long to leave it alone; nothing if it is to be looked at now.
    pub(super) fn rest(&mut self, now: u64) -> Option<u64> {
        if now >= self.probe {
            return None;
        }
        self.stall = None;
        Some(self.probe)
    }

    /// A read brought nothing. When to give up; nothing if that is now.
    pub(super) fn waits(&mut self, now: u64) -> Option<u64> {
        let stall = *self.stall.get_or_insert(now.saturating_add(STALL));
        (now < stall).then_some(stall)
    }

    /// It said that it was ready, and had nothing. When to ask again.
    pub(super) fn missed(&mut self, now: u64) -> u64 {
        let pause = PAUSES.delay(self.misses);
        self.misses = self.misses.saturating_add(1);
        now.saturating_add(pause.0)
    }
}
