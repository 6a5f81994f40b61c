//! One pool's health tests of a source, and the tested samples that wait for the pool.

use super::fips_gate::{Disabled, FipsGate};
use super::stats::{AlarmLog, AlarmRecord, SourceStats};
use crate::buffer::Buffer;
use crate::fips::BLOCK;
use crate::health::{Cause, Disposition, HealthState, Limits, Monitor, ReadFailure, SampleKind};
use crate::memory::MapError;
use crate::spec::{Output, SourceSpec};

/// The most bytes of one read.
pub(super) const MAX_READ: usize = 2048;
/// Tested samples that may wait for a pool.
const CAPACITY: usize = 8192;
/// More samples are read while there is room for this many: the most of one read, and a block that it completes.
const ROOM: usize = MAX_READ + BLOCK;

pub(super) struct SampleQueue {
    monitor: Monitor,
    limits: Limits,
    fips_gate: Option<FipsGate>,
    /// Passed by all tests and not conditioned yet.
    samples: Buffer,
    /// How many of them may be taken: all, unless they are held back until the window in which they were tested has
    /// passed.
    released: usize,
    output: Output,
    wanted: bool,
    /// Whether the pool's output rests on this source, and samples were taken.
    rests: bool,
    contributed: bool,
    /// How often samples were dropped because of an alarm.
    drops: u64,
    /// How often the source failed permanently.
    failures: u64,
    stats: SourceStats,
    alarms: AlarmLog,
    /// Why the source is not healthy, as a sentence.
    message: String,
}

/// The health of a source, as one pool sees it.
#[derive(Clone, Debug)]
pub(crate) struct SourceHealth {
    pub(crate) state: HealthState,
    pub(crate) since: u64,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) stats: SourceStats,
    pub(crate) alarms: Vec<AlarmRecord>,
    pub(crate) estimate: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueState {
    pub(crate) health: HealthState,
    /// The source has not failed yet.
    pub(crate) is_new: bool,
    pub(crate) drops: u64,
    pub(crate) failures: u64,
}

impl SampleQueue {
    pub(super) fn new(spec: &SourceSpec, output: Output, now: u64) -> Result<Self, MapError> {
        let limits = Limits::new(SampleKind::Byte, spec.tested_min_entropy());
        Ok(Self {
            monitor: Monitor::new(limits, now)?,
            limits,
            fips_gate: if spec.block_tests { Some(FipsGate::new()?) } else { None },
            samples: Buffer::with_capacity(CAPACITY)?,
            released: 0,
            output,
            wanted: false,
            rests: spec.counts(output),
            contributed: false,
            drops: 0,
            failures: 0,
            stats: SourceStats::default(),
            alarms: AlarmLog::default(),
            message: String::new(),
        })
    }

    pub(super) fn state(&self) -> QueueState {
        QueueState {
            health: self.monitor.state(),
            is_new: self.monitor.cause().is_none(),
            drops: self.drops,
            failures: self.failures,
        }
    }

    /// How many samples may be taken.
    pub(super) fn level(&self) -> usize {
        self.released
    }

    /// Whether bytes that were made of its samples would have to be void if it failed.
    pub(super) fn has_contributed(&self) -> bool {
        self.rests && self.contributed
    }

    pub(super) fn set_wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    pub(super) fn take(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let taken = take(&self.samples.chunk()[..self.released]).min(self.released);
        self.samples.consume(taken);
        self.released -= taken;
        self.contributed |= taken > 0;
        taken
    }

    pub(super) fn retest(&mut self, now: u64) {
        self.drop_samples();
        if let Some(gate) = &mut self.fips_gate {
            gate.reset();
        }
        self.monitor.retest(now);
        self.message.clear();
    }

    /// The start-up test runs again, but no failure is forgotten.
    pub(super) fn restart(&mut self, now: u64) {
        self.drop_samples();
        self.monitor.restart(now);
    }

    /// Continues the tests of a queue of the same source and claim, so that they need not start anew: the pool was edited.
    /// What waits in the other queue stays there.
    pub(super) fn continue_from(&mut self, other: &Self) -> Result<(), MapError> {
        self.monitor = other.monitor.try_clone()?;
        if let (Some(gate), Some(other)) = (&mut self.fips_gate, &other.fips_gate) {
            gate.continue_from(other);
        }
        (self.stats, self.alarms) = (other.stats, other.alarms.clone());
        self.message.clone_from(&other.message);
        // Bytes of the other pool may be served by this one.
        self.contributed = true;
        Ok(())
    }

    /// Moves the samples that may be taken from the other queue here, whose pool has ended. Returns false, and moves none,
    /// if the other raised an alarm that this one did not see.
    pub(super) fn take_over(&mut self, other: &mut Self, now: u64) -> bool {
        let agrees = self.monitor.state() == other.monitor.state();
        if !agrees && other.monitor.state() == HealthState::Failed {
            if let Some(cause) = other.monitor.cause() {
                self.fail(cause, other.message.clone(), now);
                self.failures += 1;
            }
        } else if !agrees && other.is_testing() {
            self.restart(now);
        }
        if agrees && self.monitor.state() == HealthState::Healthy {
            let released = other.released;
            self.released += self.samples.append_some(&mut other.samples, released);
            other.released = 0;
        }
        agrees
    }

    /// The source failed before, in another pool or before this one was edited.
    pub(super) fn fail(&mut self, cause: Cause, message: String, now: u64) {
        self.monitor.fail(cause, now);
        self.message = message;
    }

    /// Why it failed permanently.
    pub(super) fn failure(&self) -> Option<(Cause, String)> {
        let has_failed = self.monitor.state() == HealthState::Failed;
        self.monitor.cause().filter(|_| has_failed).map(|cause| (cause, self.message.clone()))
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
            alarms: self.alarms.last(),
            estimate: self.monitor.estimate(),
        }
    }

    pub(super) fn is_testing(&self) -> bool {
        matches!(self.monitor.state(), HealthState::Starting | HealthState::Suspect)
    }

    pub(super) fn wants_samples(&self) -> bool {
        let room = self.samples.capacity() - self.samples.level();
        self.is_testing() || (self.wanted && self.monitor.state() == HealthState::Healthy && room >= ROOM)
    }

    pub(super) fn observe(&mut self, samples: &[u8], is_recipient: bool, now: u64) {
        if matches!(self.monitor.state(), HealthState::Failed | HealthState::Unavailable) {
            return;
        }
        self.stats.bytes_in += samples.len() as u64;
        let (windows, before) = (self.monitor.windows(), self.samples.level());
        match self.monitor.observe(samples, now) {
            Disposition::Credit if is_recipient => self.credit(samples, now),
            Disposition::Discard if self.monitor.state() == HealthState::Healthy => self.message.clear(),
            Disposition::Credit | Disposition::Discard => {}
            Disposition::Drop => self.raise_alarm(samples.len(), now),
        }
        // Conditioned blocks of a window that fails are void; samples that were served would not be.
        if self.output != Output::Raw {
            self.released = self.samples.level();
        } else if self.monitor.windows() != windows {
            // A window ended in these samples, so that those before are of windows that passed.
            self.released = before.min(self.samples.level());
        }
    }

    fn credit(&mut self, samples: &[u8], now: u64) {
        let Self { fips_gate, samples: tested, stats, .. } = self;
        let Some(gate) = fips_gate else { return push(tested, stats, samples) };
        let mut block_stats = *stats;
        let pushed = gate.push(samples, &mut block_stats, |block| {
            push(tested, stats, block);
        });
        stats.block_tests = block_stats.block_tests;
        if let Err(Disabled) = pushed {
            self.monitor.fail(Cause::BlockTests, now);
            self.raise_alarm(samples.len(), now);
        }
    }

    fn raise_alarm(&mut self, samples: usize, now: u64) {
        self.drop_samples();
        self.failures += u64::from(self.monitor.state() == HealthState::Failed);
        if let Some(cause) = self.monitor.cause() {
            self.stats.record_failure(cause);
            let permanent = self.monitor.state() == HealthState::Failed;
            let offset = self.stats.bytes_in - samples as u64;
            self.alarms.record(cause, &self.limits, permanent, offset, now);
            self.message = cause.describe(&self.limits, self.monitor.state());
        }
    }

    pub(super) fn lost(&mut self, failure: ReadFailure, message: &str, now: u64) {
        if self.monitor.state() == HealthState::Failed {
            return;
        }
        self.monitor.lost(failure, now);
        self.stats.record_failure(Cause::Lost(failure));
        message.clone_into(&mut self.message);
        // Tested samples stay; an incomplete block cannot be continued with later samples.
        if let Some(gate) = &mut self.fips_gate {
            gate.discard();
        }
    }

    fn drop_samples(&mut self) {
        self.samples.consume(self.samples.level());
        self.released = 0;
        if let Some(gate) = &mut self.fips_gate {
            gate.discard();
        }
        self.drops += 1;
    }
}

/// There is room: the sampler reads only while [`ROOM`] is free.
fn push(tested: &mut Buffer, stats: &mut SourceStats, samples: &[u8]) {
    let pushed = tested.fill_with(|space| {
        let count = samples.len().min(space.len());
        debug_assert_eq!(count, samples.len(), "more was read than there was room for");
        space[..count].copy_from_slice(&samples[..count]);
        Ok(count)
    });
    stats.bytes_credited += pushed.map_or(0, |count| count as u64);
}
