//! The health of one source, from start to failure.

use super::cutoff::Alpha;
use super::limits::Limits;
use super::sp800_90b::{Alarm, HealthTests, Severity, TestOutcome};
use super::state::{Cause, Disposition, HealthState, ReadFailure};
use super::structure::StructureTests;
use crate::memory::MapError;

/// Intermittent alarms at which a source fails permanently.
const MAX_ALARMS: u32 = 3;
/// Clean samples after which one alarm is forgiven: 1/alpha, in which a perfect source is expected to raise about one.
const FORGIVEN_AFTER: u64 = 1 << Alpha::INTERMITTENT.exponent();

/// The health of one source, driven by its reader.
#[derive(Debug)]
pub struct Monitor {
    tests: HealthTests,
    structure: StructureTests,
    state: HealthState,
    cause: Option<Cause>,
    since: u64,
    /// Clean samples of the running start-up test.
    passed: usize,
    failures: IntermittentFailures,
}

impl Monitor {
    /// For a source that was just opened.
    pub fn new(limits: Limits, now: u64) -> Result<Self, MapError> {
        Ok(Self {
            tests: HealthTests::new(limits),
            structure: StructureTests::new(limits.h)?,
            state: HealthState::Starting,
            cause: None,
            since: now,
            passed: 0,
            failures: IntermittentFailures::default(),
        })
    }

    /// The same monitor for another pool that draws from the source.
    pub(crate) fn try_clone(&self) -> Result<Self, MapError> {
        let (tests, structure) = (self.tests.clone(), self.structure.try_clone()?);
        Ok(Self { tests, structure, failures: self.failures.clone(), ..*self })
    }

    pub fn state(&self) -> HealthState {
        self.state
    }

    /// The instant at which it entered this state.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// See [`HealthTests::windows`].
    pub fn windows(&self) -> u64 {
        self.tests.windows()
    }

    /// See [`StructureTests::estimate`].
    pub fn estimate(&self) -> Option<f64> {
        self.structure.estimate()
    }

    /// Why it is not healthy; `None` while it is, or in its first start-up test.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Tests samples, in the order in which the source made them.
    pub fn observe(&mut self, samples: &[u8], now: u64) -> Disposition {
        if matches!(self.state, HealthState::Failed | HealthState::Unavailable) {
            return Disposition::Drop;
        }
        match self.tests.observe(samples) {
            TestOutcome::Pass => match self.structure.observe(samples) {
                None => self.pass(samples.len(), now),
                Some((structure, _)) => {
                    self.enter(HealthState::Failed, Some(Cause::Structure(structure)), now);
                    Disposition::Drop
                }
            },
            TestOutcome::Alarm(alarm) => {
                // What was dropped is no part of the stream that the other tests see.
                self.structure.restart();
                self.raise(alarm, now)
            }
        }
    }

    /// The source could not be opened or read.
    pub fn lost(&mut self, failure: ReadFailure, now: u64) {
        if self.state != HealthState::Failed {
            self.enter(HealthState::Unavailable, Some(Cause::Lost(failure)), now);
        }
    }

    /// The source was opened again.
    pub fn opened(&mut self, now: u64) {
        if self.state == HealthState::Unavailable {
            self.structure.reopened();
            self.enter(HealthState::Starting, self.cause, now);
        }
    }

    /// The source failed permanently by another test, or before.
    pub fn fail(&mut self, cause: Cause, now: u64) {
        self.enter(HealthState::Failed, Some(cause), now);
    }

    /// Runs the start-up test without forgetting a failure: a source that failed permanently stays so.
    pub fn restart(&mut self, now: u64) {
        if matches!(self.state, HealthState::Healthy | HealthState::Suspect | HealthState::Starting) {
            self.structure.restart();
            let state =
                if self.state == HealthState::Suspect { HealthState::Suspect } else { HealthState::Starting };
            self.enter(state, self.cause, now);
        }
    }

    /// The source raised so many intermittent alarms before, in another pool or process.
    pub fn restore_alarms(&mut self, count: u32) {
        self.failures.count = count;
    }

    /// Forgets all failures and runs the start-up test.
    pub fn retest(&mut self, now: u64) {
        self.tests = HealthTests::new(*self.tests.limits());
        self.structure.forget();
        self.failures = IntermittentFailures::default();
        self.enter(HealthState::Starting, None, now);
    }

    fn pass(&mut self, count: usize, now: u64) -> Disposition {
        self.failures.pass(count);
        if self.state == HealthState::Healthy {
            return Disposition::Credit;
        }
        self.passed = self.passed.saturating_add(count);
        if self.passed >= self.tests.limits().start_up() {
            self.enter(HealthState::Healthy, None, now);
        }
        Disposition::Discard
    }

    fn raise(&mut self, alarm: Alarm, now: u64) -> Disposition {
        // The tests' counts continue, so that a broken source reaches the permanent cutoff.
        let is_permanent = self.failures.record() || alarm.severity == Severity::Permanent;
        let state = if is_permanent { HealthState::Failed } else { HealthState::Suspect };
        self.enter(state, Some(Cause::Alarm(alarm)), now);
        Disposition::Drop
    }

    fn enter(&mut self, state: HealthState, cause: Option<Cause>, now: u64) {
        if self.state != state {
            self.since = now;
        }
        (self.state, self.cause) = (state, cause);
        self.passed = 0;
    }
}

/// A source that recovers from each alarm but soon raises the next has less min-entropy than was claimed.
#[derive(Clone, Debug, Default)]
struct IntermittentFailures {
    count: u32,
    clean: u64,
}

impl IntermittentFailures {
    /// Records one more alarm; returns whether it was one too many.
    fn record(&mut self) -> bool {
        self.count += 1;
        self.clean = 0;
        self.count >= MAX_ALARMS
    }

    /// Records samples without an alarm.
    fn pass(&mut self, samples: usize) {
        self.clean += samples as u64;
        if self.clean >= FORGIVEN_AFTER {
            self.count = self.count.saturating_sub(1);
            self.clean = 0;
        }
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
