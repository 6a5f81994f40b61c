//! What a feeder does next.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::event::PollFlags;

use super::Subscriber;
use super::poll_schedule::PollSchedule;
use crate::buffer::Buffer;
use crate::health::{HealthState, ReadFailure};
use crate::memory::MapMemory;
use crate::noise::{Noise, Open};

/// The most bytes of one read.
pub(super) const READ: usize = 2048;
/// The most of one read while somebody runs a start-up test, whose samples are lost.
const READ_TESTING: usize = 1024;
/// The most of one read that only asks whether the source is still there.
const READ_PROBING: usize = 8;

/// One noise source and those who draw from it.
pub(crate) struct Sampler {
    open: Open,
    noise: Option<Box<dyn Noise>>,
    line: PollSchedule,
    /// Samples between being read and being handed on; empty between two steps.
    scratch: Buffer,
    /// Whose turn it is.
    turn: usize,
}

/// Why a feeder's wait was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// The source said that it is ready.
    Ready,
    /// Anything else.
    Otherwise,
}

/// What a feeder waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Now,
    /// This instant, or that the source is ready.
    Ready(u64),
    /// This instant.
    At(u64),
    /// That somebody rings.
    Bell,
}

impl Sampler {
    /// `seed` spreads the retries of sources that fail together.
    pub(crate) fn new(open: Open, seed: u64) -> Result<Self, MapMemory> {
        let scratch = Buffer::with_capacity(READ)?;
        Ok(Self { open, noise: None, line: PollSchedule::new(seed), scratch, turn: 0 })
    }

    /// What to wait on for [`Next::Ready`].
    pub(crate) fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.noise.as_ref()?.readiness()
    }

    /// Does one thing, for these taps.
    pub(crate) fn step(&mut self, taps: &[Arc<Subscriber>], woke: WakeReason, now: u64) -> Next {
        let states: Vec<HealthState> = taps.iter().map(|tap| tap.standing().state).collect();
        if states.iter().all(|state| *state == HealthState::Failed) {
            self.noise = None;
            return Next::Bell;
        }
        if self.noise.is_none() {
            // Whoever has not heard yet that it is unavailable has just come, or was told to test it anew.
            let asked_for =
                states.iter().any(|state| matches!(state, HealthState::Starting | HealthState::Suspect));
            if now < self.line.retry() && !asked_for {
                return Next::At(self.line.retry());
            }
            self.open(taps, now);
            return Next::Now;
        }
        if taps.iter().any(|tap| tap.wants()) {
            let testing = taps.iter().any(|tap| tap.is_testing());
            self.read(taps, if testing { READ_TESTING } else { READ }, woke, now)
        } else if let Some(due) = self.line.rest(now) {
            Next::At(due)
        } else {
            self.read(taps, READ_PROBING, woke, now)
        }
    }

    fn open(&mut self, taps: &[Arc<Subscriber>], now: u64) {
        match (self.open)() {
            Ok(noise) => {
                self.noise = Some(noise);
                self.line.opened(now);
                for tap in taps {
                    tap.opened(now);
                }
            }
            Err(error) => self.lose(taps, ReadFailure::Io, &error.to_string(), now),
        }
    }

    fn read(&mut self, taps: &[Arc<Subscriber>], most: usize, woke: WakeReason, now: u64) -> Next {
        let Some(noise) = &mut self.noise else { return Next::Now };
        match self.scratch.fill_with(|space| noise.read(&mut space[..most])) {
            Ok(0) => self.lose(taps, ReadFailure::End, "it has no more to give", now),
            Ok(count) => {
                self.line.got(count, now);
                self.hand_out(taps, now);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.wait(taps, woke, now),
            Err(error) => self.lose(taps, ReadFailure::Io, &format!("it cannot be read: {error}"), now),
        }
        Next::Now
    }

    /// Everybody tests all samples; those who want them get them in turns.
    fn hand_out(&mut self, taps: &[Arc<Subscriber>], now: u64) {
        let wants = |at: &usize| taps[*at].wants() && !taps[*at].is_testing();
        let heir = (0..taps.len()).map(|next| (self.turn + next) % taps.len()).find(wants);
        for (at, tap) in taps.iter().enumerate() {
            tap.observe(self.scratch.chunk(), heir == Some(at), now);
        }
        self.scratch.consume(self.scratch.level());
        self.turn = heir.map_or(self.turn, |heir| heir + 1);
    }

    fn wait(&mut self, taps: &[Arc<Subscriber>], woke: WakeReason, now: u64) -> Next {
        let Some(stall) = self.line.waits(now) else {
            self.lose(taps, ReadFailure::Stall, "it gave nothing for ten seconds", now);
            return Next::Now;
        };
        if woke == WakeReason::Ready || self.readiness().is_none() {
            Next::At(self.line.missed(now).min(stall))
        } else {
            Next::Ready(stall)
        }
    }

    fn lose(&mut self, taps: &[Arc<Subscriber>], loss: ReadFailure, message: &str, now: u64) {
        self.noise = None;
        self.line.lost(now);
        for tap in taps {
            tap.lost(loss, message, now);
        }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
