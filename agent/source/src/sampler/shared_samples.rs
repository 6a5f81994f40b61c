//! What a source has for one pool: its own health tests of all samples, and those that are for it.

use std::io;

use super::SourceStats;
use super::fips_gate::{Disabled, FipsGate};
use crate::buffer::Buffer;
use crate::health::{Cause, HealthState, Limits, Monitor, ReadFailure, SampleKind, Transition};
use crate::memory::MapMemory;
use crate::spec::SourceSpec;

/// Tested samples that may wait for a pool.
const CAPACITY: usize = 8192;
/// More is wanted while there is room for so much: the most of one read, and a block that it completes.
const ROOM: usize = super::core::READ + crate::fips::BLOCK;

/// Samples of one source, for one pool.
pub(super) struct SampleQueue {
    monitor: Monitor,
    limits: Limits,
    stage: Option<FipsGate>,
    /// Passed by all tests and not conditioned yet.
    samples: Buffer,
    wanted: bool,
    /// Times that samples were dropped because of an alarm.
    drops: u64,
    stats: SourceStats,
    /// Why it is not healthy, for people.
    message: String,
}

/// How a source stands, as its pool sees it.
#[derive(Clone, Debug)]
pub(crate) struct SourceHealth {
    pub(crate) state: HealthState,
    pub(crate) since: u64,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) stats: SourceStats,
}

/// The state of a source, and how often samples of it were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueState {
    pub(crate) state: HealthState,
    /// Nothing is known against it.
    pub(crate) is_new: bool,
    pub(crate) drops: u64,
}

impl SampleQueue {
    pub(super) fn new(spec: &SourceSpec, now: u64) -> Result<Self, MapMemory> {
        let limits = Limits::for_rate(SampleKind::Byte, spec.tested_as(), spec.bytes_per_second);
        Ok(Self {
            // When to try again is the feeder's affair: the seed is not used.
            monitor: Monitor::new(limits, now),
            limits,
            stage: if spec.block_tests { Some(FipsGate::new()?) } else { None },
            samples: Buffer::with_capacity(CAPACITY)?,
            wanted: false,
            drops: 0,
            stats: SourceStats::default(),
            message: String::new(),
        })
    }

    pub(super) fn standing(&self) -> QueueState {
        QueueState { state: self.monitor.state(), is_new: self.monitor.cause().is_none(), drops: self.drops }
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
        self.stage.iter_mut().for_each(FipsGate::retest);
        self.monitor.retest(now);
        self.message.clear();
    }

    pub(super) fn opened(&mut self, now: u64) {
        self.monitor.opened(now);
    }

    pub(super) fn health(&self) -> SourceHealth {
        SourceHealth {
            state: self.monitor.state(),
            since: self.monitor.since(),
            reason: self.monitor.cause().map(Cause::reason),
            message: self.message.clone(),
            stats: self.stats,
        }
    }

    pub(super) fn is_testing(&self) -> bool {
        matches!(self.monitor.state(), HealthState::Starting | HealthState::Suspect)
    }

    pub(super) fn wants(&self) -> bool {
        let room = self.samples.capacity() - self.samples.level();
        self.is_testing() || (self.wanted && self.monitor.state() == HealthState::Healthy && room >= ROOM)
    }

    pub(super) fn observe(&mut self, samples: &[u8], for_us: bool, now: u64) {
        if matches!(self.monitor.state(), HealthState::Failed | HealthState::Unavailable) {
            return;
        }
        self.stats.bytes_in += samples.len() as u64;
        match self.monitor.samples(samples, now) {
            Transition::Credit if for_us => self.credit(samples, now),
            Transition::Discard if self.monitor.state() == HealthState::Healthy => self.message.clear(),
            Transition::Credit | Transition::Discard => {}
            Transition::Drop => self.alarmed(),
        }
    }

    fn credit(&mut self, samples: &[u8], now: u64) {
        let Self { stage, samples: tested, stats, .. } = self;
        let Some(stage) = stage else { return keep(tested, stats, samples) };
        let mut counts = *stats;
        let judged = stage.put(samples, &mut counts, |block| {
            keep(tested, stats, block);
        });
        stats.block_tests = counts.block_tests;
        if let Err(Disabled) = judged {
            self.monitor.disable(now);
            self.alarmed();
        }
    }

    fn alarmed(&mut self) {
        self.drop_samples();
        if let Some(cause) = self.monitor.cause() {
            self.stats.failed(cause);
            self.message = super::describe::of(cause, &self.limits, self.monitor.state());
        }
    }

    pub(super) fn lost(&mut self, loss: ReadFailure, message: &str, now: u64) {
        if self.monitor.state() == HealthState::Failed {
            return;
        }
        self.monitor.lost(loss, now);
        self.stats.failed(Cause::Lost(loss));
        message.clone_into(&mut self.message);
        // What passed stays; what was not judged yet is no block with what comes after.
        self.stage.iter_mut().for_each(FipsGate::forget);
    }

    fn drop_samples(&mut self) {
        self.samples.consume(self.samples.level());
        self.stage.iter_mut().for_each(FipsGate::forget);
        self.drops += 1;
    }
}

/// Room for it was seen before it was read.
fn keep(tested: &mut Buffer, stats: &mut SourceStats, samples: &[u8]) {
    let kept = tested.fill_with(|space| {
        let count = samples.len().min(space.len());
        debug_assert_eq!(count, samples.len(), "more was read than there was room for");
        space[..count].copy_from_slice(&samples[..count]);
        io::Result::Ok(count)
    });
    stats.bytes_credited += kept.map_or(0, |count| count as u64);
}
