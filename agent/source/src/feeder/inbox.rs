//! What a source has for one pool: its own health tests of all samples, and those that are for it.

use std::io;

use super::Tally;
use super::stage::{Disabled, Stage};
use crate::buffer::Buffer;
use crate::health::{Cause, Fate, Limits, Loss, Monitor, SampleKind, State};
use crate::memory::MapMemory;
use crate::spec::SourceSpec;

/// Tested samples that may wait for a pool.
const CAPACITY: usize = 8192;
/// More is wanted while there is room for so much: the most of one read, and a block that it completes.
const ROOM: usize = super::core::READ + crate::fips::BLOCK;

/// Samples of one source, for one pool.
pub(super) struct Inbox {
    monitor: Monitor,
    limits: Limits,
    stage: Option<Stage>,
    /// Passed by all tests and not conditioned yet.
    samples: Buffer,
    wanted: bool,
    /// Times that samples were dropped because of an alarm.
    drops: u64,
    tally: Tally,
    /// Why it is not healthy, for people.
    sentence: String,
}

/// How a source stands, as its pool sees it.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) state: State,
    pub(crate) since: u64,
    pub(crate) reason: Option<&'static str>,
    pub(crate) sentence: String,
    pub(crate) tally: Tally,
}

/// The state of a source, and how often samples of it were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// Nothing is known against it.
    pub(crate) is_new: bool,
    pub(crate) drops: u64,
}

impl Inbox {
    pub(super) fn new(spec: &SourceSpec, now: u64) -> Result<Self, MapMemory> {
        let limits = Limits::for_rate(SampleKind::Byte, spec.tested_as(), spec.bytes_per_second);
        Ok(Self {
            // When to try again is the feeder's affair: the seed is not used.
            monitor: Monitor::new(limits, now),
            limits,
            stage: if spec.block_tests { Some(Stage::new()?) } else { None },
            samples: Buffer::with_capacity(CAPACITY)?,
            wanted: false,
            drops: 0,
            tally: Tally::default(),
            sentence: String::new(),
        })
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { state: self.monitor.state(), is_new: self.monitor.cause().is_none(), drops: self.drops }
    }

    /// How many samples wait.
    pub(super) fn level(&self) -> usize {
        self.samples.level()
    }

    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    pub(super) fn take(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let taken = take(self.samples.chunk()).min(self.samples.level());
        self.samples.consume(taken);
        taken
    }

    pub(super) fn retest(&mut self, now: u64) {
        self.drop_samples();
        self.stage.iter_mut().for_each(Stage::retest);
        self.monitor.retest(now);
        self.sentence.clear();
    }

    pub(super) fn opened(&mut self, now: u64) {
        self.monitor.opened(now);
    }

    pub(super) fn health(&self) -> Health {
        Health {
            state: self.monitor.state(),
            since: self.monitor.since(),
            reason: self.monitor.cause().map(Cause::reason),
            sentence: self.sentence.clone(),
            tally: self.tally,
        }
    }

    pub(super) fn is_testing(&self) -> bool {
        matches!(self.monitor.state(), State::Starting | State::Suspect)
    }

    pub(super) fn wants(&self) -> bool {
        let room = self.samples.capacity() - self.samples.level();
        self.is_testing() || (self.wanted && self.monitor.state() == State::Healthy && room >= ROOM)
    }

    pub(super) fn observe(&mut self, samples: &[u8], for_us: bool, now: u64) {
        if matches!(self.monitor.state(), State::Failed | State::Unavailable) {
            return;
        }
        self.tally.bytes_in += samples.len() as u64;
        match self.monitor.samples(samples, now) {
            Fate::Credit if for_us => self.credit(samples, now),
            Fate::Discard if self.monitor.state() == State::Healthy => self.sentence.clear(),
            Fate::Credit | Fate::Discard => {}
            Fate::Drop => self.alarmed(),
        }
    }

    fn credit(&mut self, samples: &[u8], now: u64) {
        let Self { stage, samples: tested, tally, .. } = self;
        let Some(stage) = stage else { return keep(tested, tally, samples) };
        let mut counts = *tally;
        let judged = stage.put(samples, &mut counts, |block| {
            keep(tested, tally, block);
        });
        tally.block_tests = counts.block_tests;
        if let Err(Disabled) = judged {
            self.monitor.disable(now);
            self.alarmed();
        }
    }

    fn alarmed(&mut self) {
        self.drop_samples();
        if let Some(cause) = self.monitor.cause() {
            self.tally.failed(cause);
            self.sentence = super::sentence::of(cause, &self.limits, self.monitor.state());
        }
    }

    pub(super) fn lost(&mut self, loss: Loss, sentence: &str, now: u64) {
        if self.monitor.state() == State::Failed {
            return;
        }
        self.monitor.lost(loss, now);
        self.tally.failed(Cause::Lost(loss));
        sentence.clone_into(&mut self.sentence);
        // What passed stays; what was not judged yet is no block with what comes after.
        self.stage.iter_mut().for_each(Stage::forget);
    }

    fn drop_samples(&mut self) {
        self.samples.consume(self.samples.level());
        self.stage.iter_mut().for_each(Stage::forget);
        self.drops += 1;
    }
}

/// Room for it was seen before it was read.
fn keep(tested: &mut Buffer, tally: &mut Tally, samples: &[u8]) {
    let kept = tested.fill_with(|space| {
        let count = samples.len().min(space.len());
        debug_assert_eq!(count, samples.len(), "more was read than there was room for");
        space[..count].copy_from_slice(&samples[..count]);
        io::Result::Ok(count)
    });
    tally.bytes_credited += kept.map_or(0, |count| count as u64);
}
