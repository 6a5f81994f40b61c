//! What a sampler does next.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::event::PollFlags;

use super::poll_schedule::PollSchedule;
use super::sample_queue::MAX_READ;
use super::subscriber::Subscriber;
use crate::buffer::Buffer;
use crate::health::{HealthState, ReadFailure};
use crate::memory::MapError;
use crate::noise::{GeneratorChanged, Noise, Opener};

/// The most bytes of one read during a start-up test, whose samples are discarded.
const MAX_READ_TESTING: usize = 1024;
/// The most bytes of one read that only checks whether the source still works: a window of the adaptive proportion test.
const MAX_READ_PROBING: usize = 512;

/// Reads one noise source for its subscribers.
pub(crate) struct Sampler {
    opener: Opener,
    noise: Option<Box<dyn Noise>>,
    schedule: PollSchedule,
    /// Samples between being read and being distributed; empty between polls.
    scratch: Buffer,
    /// The subscriber to start with.
    first: usize,
}

/// Why a sampler's wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// The source is readable.
    Ready,
    Other,
}

/// What a sampler waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: poll again.
    None,
    /// The source to be readable, at most until this instant.
    Ready(u64),
    /// This instant, or that the source hangs up.
    Idle(u64),
    /// This instant.
    Until(u64),
    /// Its waker.
    Wake,
}

impl Sampler {
    /// `seed` spreads the retries of sources that fail together.
    pub(crate) fn new(opener: Opener, seed: u64) -> Result<Self, MapError> {
        let scratch = Buffer::with_capacity(MAX_READ)?;
        Ok(Self { opener, noise: None, schedule: PollSchedule::new(seed), scratch, first: 0 })
    }

    /// What to poll for [`Wait::Ready`].
    pub(crate) fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.noise.as_ref()?.readiness()
    }

    /// Opens the source or reads it once.
    pub(crate) fn poll(&mut self, subscribers: &[Arc<Subscriber>], woke: WakeReason, now: u64) -> Wait {
        let states: Vec<HealthState> =
            subscribers.iter().map(|subscriber| subscriber.state().health).collect();
        if states.iter().all(|state| *state == HealthState::Failed) {
            self.noise = None;
            return Wait::Wake;
        }
        if self.noise.is_none() {
            // A subscriber in its start-up test is new or to be retested, and does not know of the failure yet.
            let is_requested =
                states.iter().any(|state| matches!(state, HealthState::Starting | HealthState::Suspect));
            if now < self.schedule.retry_at() && !is_requested {
                return Wait::Until(self.schedule.retry_at());
            }
            self.open(subscribers, now);
            return Wait::None;
        }
        self.identify(subscribers, now);
        if subscribers.iter().any(|subscriber| subscriber.wants_samples()) {
            let testing = subscribers.iter().any(|subscriber| subscriber.is_testing());
            self.read(subscribers, if testing { MAX_READ_TESTING } else { MAX_READ }, woke, now)
        } else if woke == WakeReason::Ready {
            // It hung up while idle: what was requested comes first, and then the end.
            self.read(subscribers, MAX_READ_PROBING, woke, now)
        } else if let Some(due) = self.schedule.idle_until(now) {
            Wait::Idle(due)
        } else {
            self.read(subscribers, MAX_READ_PROBING, woke, now)
        }
    }

    fn open(&mut self, subscribers: &[Arc<Subscriber>], now: u64) {
        match (self.opener)() {
            Ok(noise) => {
                let provenance = noise.provenance();
                self.noise = Some(noise);
                self.schedule.opened(now);
                for subscriber in subscribers {
                    subscriber.opened(&provenance, now);
                }
            }
            Err(error) => self.lose(subscribers, error.failure(), &error.to_string(), now),
        }
    }

    /// Tells those who do not know it what the open source is: a subscriber may be new, and the source may have shown more.
    fn identify(&self, subscribers: &[Arc<Subscriber>], now: u64) {
        let Some(provenance) = self.noise.as_ref().map(|noise| noise.provenance()) else { return };
        for subscriber in subscribers {
            if !subscriber.knows(&provenance) {
                subscriber.opened(&provenance, now);
            }
        }
    }

    fn read(&mut self, subscribers: &[Arc<Subscriber>], most: usize, woke: WakeReason, now: u64) -> Wait {
        let Some(noise) = &mut self.noise else { return Wait::None };
        match self.scratch.fill_with(|space| noise.read(&mut space[..most])) {
            Ok(0) => self.lose(subscribers, ReadFailure::End, "it has no more bytes", now),
            Ok(count) => {
                self.schedule.received(count, now);
                self.distribute(subscribers, now);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return self.wait(subscribers, woke, now);
            }
            Err(error) if is_change(&error) => {
                self.lose(subscribers, ReadFailure::Changed, &error.to_string(), now);
            }
            Err(error) => {
                self.lose(subscribers, ReadFailure::Io, &format!("it cannot be read: {error}"), now);
            }
        }
        Wait::None
    }

    /// Every subscriber tests all samples; those that want samples receive them in turn.
    fn distribute(&mut self, subscribers: &[Arc<Subscriber>], now: u64) {
        let wants = |at: &usize| subscribers[*at].wants_samples() && !subscribers[*at].is_testing();
        let count = subscribers.len();
        let recipient = (0..count).map(|next| (self.first + next) % count).find(wants);
        for (at, subscriber) in subscribers.iter().enumerate() {
            subscriber.observe(self.scratch.chunk(), recipient == Some(at), now);
        }
        self.scratch.consume(self.scratch.level());
        for subscriber in subscribers {
            subscriber.save_record();
        }
        self.first = recipient.map_or(self.first, |recipient| recipient + 1);
    }

    fn wait(&mut self, subscribers: &[Arc<Subscriber>], woke: WakeReason, now: u64) -> Wait {
        let Some(stall) = self.schedule.stall_deadline(now) else {
            self.lose(subscribers, ReadFailure::Stall, "it returned nothing for ten seconds", now);
            return Wait::None;
        };
        if woke == WakeReason::Ready || self.readiness().is_none() {
            Wait::Until(self.schedule.spurious_wake(now).min(stall))
        } else {
            Wait::Ready(stall)
        }
    }

    fn lose(&mut self, subscribers: &[Arc<Subscriber>], failure: ReadFailure, message: &str, now: u64) {
        self.noise = None;
        self.schedule.lost(now);
        for subscriber in subscribers {
            subscriber.lost(failure, message, now);
        }
    }
}

fn is_change(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<GeneratorChanged>()).is_some()
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
