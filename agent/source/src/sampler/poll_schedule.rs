//! When to read a source, when it is stalled, and when to open it again.

use clock::{Backoff, Exponential, Jitter, Span};

/// Nanoseconds after which a read that returns nothing is a stall.
const STALL: u64 = 10_000_000_000;
/// Pauses of a source that has no readiness, or was ready and returned nothing.
const PAUSES: Exponential = Exponential { first: Span::micros(100), longest: Span::micros(100 << 10) };
/// Delays before a failed source is opened again, with jitter, so that sources that fail together do not retry together.
const RETRIES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(30) };
/// Bytes after which the back-off is reset: a source may open and fail at once.
const RECOVERED: usize = 1024;
/// Nanoseconds after which an idle source is probed, so that it is not called healthy long after it failed.
const PROBE: u64 = 10_000_000_000;

/// The timing of one source.
#[derive(Debug)]
pub(super) struct PollSchedule {
    backoff: Backoff,
    retry_at: u64,
    /// When the pending read is a stall.
    stall_at: Option<u64>,
    probe_at: u64,
    /// Bytes since the source was opened, up to [`RECOVERED`].
    received: usize,
    /// Spurious wakes since the last byte.
    spurious: u32,
}

impl PollSchedule {
    pub(super) fn new(seed: u64) -> Self {
        let backoff = Backoff::new(RETRIES, Jitter::Fifth, seed);
        Self { backoff, retry_at: 0, stall_at: None, probe_at: 0, received: 0, spurious: 0 }
    }

    /// The source is not to be opened before.
    pub(super) fn retry_at(&self) -> u64 {
        self.retry_at
    }

    pub(super) fn opened(&mut self, now: u64) {
        (self.stall_at, self.received, self.spurious) = (None, 0, 0);
        self.probe_at = now.saturating_add(PROBE);
    }

    pub(super) fn lost(&mut self, now: u64) {
        self.stall_at = None;
        self.retry_at = now.saturating_add(self.backoff.delay().0);
    }

    pub(super) fn received(&mut self, count: usize, now: u64) {
        (self.stall_at, self.spurious) = (None, 0);
        self.probe_at = now.saturating_add(PROBE);
        if self.received < RECOVERED {
            self.received = self.received.saturating_add(count);
            if self.received >= RECOVERED {
                self.backoff.reset();
            }
        }
    }

    /// Until when an idle source is left alone; `None` if it is to be probed now.
    pub(super) fn idle_until(&mut self, now: u64) -> Option<u64> {
        if now >= self.probe_at {
            return None;
        }
        self.stall_at = None;
        Some(self.probe_at)
    }

    /// A read returned nothing. When that is a stall; `None` if it is one now.
    pub(super) fn stall_deadline(&mut self, now: u64) -> Option<u64> {
        let stall = *self.stall_at.get_or_insert(now.saturating_add(STALL));
        (now < stall).then_some(stall)
    }

    /// The source was ready and had nothing. When to read again.
    pub(super) fn spurious_wake(&mut self, now: u64) -> u64 {
        let pause = PAUSES.delay(self.spurious);
        self.spurious = self.spurious.saturating_add(1);
        now.saturating_add(pause.0)
    }
}
