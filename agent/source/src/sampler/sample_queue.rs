//! One pool's health tests of a source, and the tested samples that wait for the pool.

use std::sync::Arc;

use super::fips_gate::{Disabled, FipsGate};
use super::release::Release;
use super::stats::{SourceStats, count};
use crate::buffer::Buffer;
use crate::fips::BLOCK;
use crate::health::{Cause, Disposition, HealthState, Limits, Monitor, ReadFailure, SampleKind, Structure};
use crate::health_records::AlarmRecord;
use crate::memory::MapError;
use crate::noise::Provenance;
use crate::spec::{Output, SourceSpec};

/// The most bytes of one read.
pub(super) const MAX_READ: usize = 2048;
/// Tested samples that may wait for a pool, besides those that are held back.
const CAPACITY: usize = 8192;
/// More samples are read while there is room for this many: the most of one read, and a block that it completes.
const ROOM: usize = MAX_READ + BLOCK;

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct SampleQueue {
    monitor: Monitor,
    limits: Limits,
    fips_gate: Option<FipsGate>,
    /// Passed by all tests and not conditioned yet.
    samples: Buffer,
    /// How many of them may be taken.
    released: usize,
    release: Release,
    /// The most samples that wait.
    most: usize,
    wanted: bool,
    /// Whether the pool's output rests on this source, and samples were taken.
    rests: bool,
    /// Whether the pool claims a min-entropy for it, and whether also if it turns out to be nested.
    claims_credit: bool,
    credits_nested: bool,
    contributed: bool,
    /// How often samples were dropped because of an alarm.
    drops: u64,
    /// How often the source failed permanently.
    failures: u64,
    stats: SourceStats,
    /// An alarm that is not recorded yet.
    raised: Option<AlarmRecord>,
    retest: RetestState,
    /// Why the source is not healthy, as a sentence.
    message: String,
    /// What the source is, or was when it was last open.
    provenance: Option<Arc<Provenance>>,
}

/// A retest that was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetestState {
    None,
    /// Its start-up test runs.
    Running,
    /// It passed, and this is not recorded yet.
    Passed,
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
    /// Whether a retest has no verdict yet.
    pub(crate) retesting: bool,
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
        let release = match output {
            Output::Raw => Release::AfterWindow,
            Output::FullEntropy if spec.counts(output) => Release::after_others(),
            Output::FullEntropy | Output::Stretched => Release::AtOnce,
        };
        let held_back = release.most(limits.window as usize);
        let most = CAPACITY + held_back;
        Ok(Self {
            monitor: Monitor::new(limits, now)?,
            limits,
            fips_gate: if spec.block_tests { Some(FipsGate::new()?) } else { None },
            // With room behind what is held back, so that it is seldom moved to the front.
            samples: Buffer::with_capacity(most + held_back / 2)?,
            released: 0,
            release,
            most,
            wanted: false,
            rests: spec.counts(output),
            claims_credit: spec.credited_min_entropy().is_some(),
            credits_nested: spec.credit_nested,
            contributed: false,
            drops: 0,
            failures: 0,
            stats: SourceStats::default(),
            raised: None,
            retest: RetestState::None,
            message: String::new(),
            provenance: None,
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
        self.note_pause();
    }

    pub(super) fn take(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let taken = take(&self.samples.chunk()[..self.released]).min(self.released);
        self.samples.consume(taken);
        self.released -= taken;
        self.contributed |= taken > 0;
        if self.earns_credit() {
            self.stats.bytes_credited += taken as u64;
        }
        taken
    }

    fn earns_credit(&self) -> bool {
        let is_nested = || self.provenance.as_ref().is_some_and(|found| !found.earns_credit());
        self.claims_credit && (self.credits_nested || !is_nested())
    }

    pub(super) fn retest(&mut self, now: u64) {
        self.drop_samples();
        if let Some(gate) = &mut self.fips_gate {
            gate.reset();
        }
        self.monitor.retest(now);
        self.message.clear();
        self.retest = RetestState::Running;
    }

    /// The start-up test runs again, but no failure is forgotten.
    pub(super) fn restart(&mut self, now: u64) {
        self.drop_samples();
        self.monitor.restart(now);
    }

    /// The source raised so many intermittent alarms before.
    pub(super) fn restore_alarms(&mut self, count: u32) {
        self.monitor.restore_alarms(count);
    }

    /// The alarm that the last samples raised.
    pub(super) fn take_alarm(&mut self) -> Option<AlarmRecord> {
        self.raised.take()
    }

    /// Whether the last samples ended a retest well.
    pub(super) fn ends_retest(&mut self) -> bool {
        let ends = self.retest == RetestState::Running && self.monitor.state() == HealthState::Healthy;
        if ends {
            self.retest = RetestState::Passed;
        }
        ends
    }

    /// Whether a retest has no verdict yet.
    pub(super) fn is_retesting(&self) -> bool {
        self.retest != RetestState::None
    }

    /// The verdict of a retest is recorded.
    pub(super) fn retest_recorded(&mut self) {
        if self.retest == RetestState::Passed {
            self.retest = RetestState::None;
        }
    }

    /// The source passed a retest in another process: the start-up test runs.
    pub(super) fn restart_failed(&mut self, now: u64) {
        self.retest(now);
        self.retest = RetestState::None;
    }

    pub(super) fn has_failed(&self) -> bool {
        self.monitor.state() == HealthState::Failed
    }

    /// Continues the tests of a queue of the same source and claim, so that they need not start anew: the pool was edited.
    /// What waits in the other queue stays there.
    pub(super) fn continue_from(&mut self, other: &Self) -> Result<(), MapError> {
        self.monitor = other.monitor.try_clone()?;
        if let (Some(gate), Some(other)) = (&mut self.fips_gate, &other.fips_gate) {
            gate.continue_from(other);
        }
        self.stats = other.stats;
        self.message.clone_from(&other.message);
        self.provenance.clone_from(&other.provenance);
        // Bytes of the other pool may be served by this one.
        self.contributed = true;
        Ok(())
    }

    /// Moves the samples of the other queue here, whose pool has ended. Returns false, and moves none,
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
            // What is held back there is held back here, behind samples that came later; windows ended there.
            let moved = match self.release {
                Release::AfterWindow => other.released,
                Release::AtOnce | Release::AfterOthers(_) => other.samples.level(),
            };
            let moved = moved.min(self.most.saturating_sub(self.samples.level()));
            let moved = self.samples.append_some(&mut other.samples, moved);
            self.released += moved.min(other.released);
            other.released = 0;
        }
        agrees
    }

    /// The source failed before, in another pool or process, or before this pool was edited.
    pub(super) fn fail(&mut self, cause: Cause, message: String, now: u64) {
        self.monitor.fail(cause, now);
        self.message = message;
    }

    /// Why it failed permanently.
    pub(super) fn failure(&self) -> Option<(Cause, String)> {
        let has_failed = self.monitor.state() == HealthState::Failed;
        self.monitor.cause().filter(|_| has_failed).map(|cause| (cause, self.message.clone()))
    }

    /// Samples of another source do not continue those of the last one: what waits is dropped, and the tests begin anew.
    pub(super) fn opened(&mut self, provenance: &Arc<Provenance>, now: u64) {
        let is_other = self.provenance.as_ref().is_some_and(|last| !last.is_continued_by(provenance));
        if is_other {
            self.restart(now);
        }
        self.monitor.opened(now);
        self.provenance = Some(Arc::clone(provenance));
    }

    pub(super) fn provenance(&self) -> Option<&Arc<Provenance>> {
        self.provenance.as_ref().filter(|_| self.monitor.state() != HealthState::Unavailable)
    }

    pub(super) fn health(&self) -> SourceHealth {
        SourceHealth {
            state: self.monitor.state(),
            since: self.monitor.since(),
            reason: self.monitor.cause().map(Cause::reason),
            message: self.message.clone(),
            stats: self.stats,
            alarms: vec![],
            estimate: self.monitor.estimate(),
            retesting: self.is_retesting(),
        }
    }

    pub(super) fn is_testing(&self) -> bool {
        matches!(self.monitor.state(), HealthState::Starting | HealthState::Suspect)
    }

    pub(super) fn wants_samples(&self) -> bool {
        let room = self.most.saturating_sub(self.samples.level());
        self.is_testing() || (self.wanted && self.monitor.state() == HealthState::Healthy && room >= ROOM)
    }

    /// To be called after each change of what [`wants_samples`](Self::wants_samples) returns.
    fn note_pause(&mut self) {
        let is_paused = !self.wants_samples();
        if let Release::AfterOthers(held) = &mut self.release
            && is_paused
        {
            held.pause();
        }
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
            Disposition::Drop => self.raise_alarm(samples.len()),
        }
        let level = self.samples.level();
        match &mut self.release {
            Release::AtOnce => self.released = level,
            // A window ended in these samples, so that those before are of windows that passed.
            Release::AfterWindow if self.monitor.windows() != windows => self.released = before.min(level),
            Release::AfterWindow => {}
            Release::AfterOthers(held) => {
                held.add(level.saturating_sub(before), now);
                self.released = self.released.max(level.saturating_sub(held.count())).min(level);
            }
        }
        self.note_pause();
    }

    /// What a comparison with another source revealed about so many samples, which were observed.
    pub(super) fn reveal(&mut self, structure: Structure, samples: usize, now: u64) {
        if matches!(self.monitor.state(), HealthState::Failed | HealthState::Unavailable) {
            return;
        }
        self.monitor.fail(Cause::Structure(structure), now);
        self.raise_alarm(samples);
    }

    fn credit(&mut self, samples: &[u8], now: u64) {
        let Self { fips_gate, samples: tested, stats, .. } = self;
        let Some(gate) = fips_gate else { return push(tested, samples) };
        let pushed = gate.push(samples, stats, |block| push(tested, block));
        if let Err(Disabled) = pushed {
            self.monitor.fail(Cause::BlockTests, now);
            self.raise_alarm(samples.len());
        }
    }

    fn raise_alarm(&mut self, samples: usize) {
        self.drop_samples();
        self.failures += u64::from(self.monitor.state() == HealthState::Failed);
        if let Some(cause) = self.monitor.cause() {
            self.stats.record_failure(cause);
            let permanent = self.monitor.state() == HealthState::Failed;
            let offset = self.stats.bytes_in - samples as u64;
            let (test, count) = (cause.reason().to_owned(), count(cause, &self.limits));
            self.raised = Some(AlarmRecord { offset, test, count, permanent, ..AlarmRecord::default() });
            if permanent {
                self.retest = RetestState::None;
            }
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
        self.release.reset();
        if let Some(gate) = &mut self.fips_gate {
            gate.discard();
        }
        self.drops += 1;
    }
}

/// There is room: the sampler reads only while [`ROOM`] is free.
fn push(tested: &mut Buffer, samples: &[u8]) {
    let count = tested.push(samples);
    debug_assert_eq!(count, samples.len(), "more was read than there was room for");
}
