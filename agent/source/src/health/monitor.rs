//! What one source may be used for, from start to failure.

use super::intermittent_failures::IntermittentFailures;
use super::{Alarm, Cause, HealthState, HealthTests, Limits, ReadFailure, Severity, TestOutcome, Transition};

/// Consecutive samples the start-up test takes, SP 800-90B 4.3: at least 1,024.
const START_UP: usize = 1024;

/// The health of one source. Its reader tells it what happens and when, and it answers what that means.
#[derive(Clone, Debug)]
pub struct Monitor {
    tests: HealthTests,
    state: HealthState,
    cause: Option<Cause>,
    since: u64,
    /// Clean samples of the running start-up test.
    passed: usize,
    strikes: IntermittentFailures,
}

impl Monitor {
    /// A source just opened.
    pub fn new(limits: Limits, now: u64) -> Self {
        Self {
            tests: HealthTests::new(limits),
            state: HealthState::Starting,
            cause: None,
            since: now,
            passed: 0,
            strikes: IntermittentFailures::default(),
        }
    }

    /// The state it is in.
    pub fn state(&self) -> HealthState {
        self.state
    }

    /// The instant at which it came into this state.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Why it is not healthy; nothing while it is, or in its first start-up test.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Samples came, in the order in which the source made them.
    pub fn samples(&mut self, samples: &[u8], now: u64) -> Transition {
        if matches!(self.state, HealthState::Failed | HealthState::Unavailable) {
            return Transition::Drop;
        }
        match self.tests.observe(samples) {
            TestOutcome::Pass => self.clean(samples.len(), now),
            TestOutcome::Alarm(alarm) => self.alarmed(alarm, now),
        }
    }

    /// The source could not be opened or read.
    pub fn lost(&mut self, loss: ReadFailure, now: u64) {
        if self.state != HealthState::Failed {
            self.enter(HealthState::Unavailable, Some(Cause::Lost(loss)), now);
        }
    }

    /// The source was opened again.
    pub fn opened(&mut self, now: u64) {
        if self.state == HealthState::Unavailable {
            self.enter(HealthState::Starting, self.cause, now);
        }
    }

    /// The FIPS 140-2 block tests disabled the source.
    pub fn disable(&mut self, now: u64) {
        self.enter(HealthState::Failed, Some(Cause::BlockTests), now);
    }

    /// Somebody looked after the source: forget its past and start anew.
    pub fn retest(&mut self, now: u64) {
        self.tests = HealthTests::new(*self.tests.limits());
        self.strikes = IntermittentFailures::default();
        self.enter(HealthState::Starting, None, now);
    }

    fn clean(&mut self, count: usize, now: u64) -> Transition {
        self.strikes.clean(count);
        if self.state == HealthState::Healthy {
            return Transition::Credit;
        }
        self.passed = self.passed.saturating_add(count);
        if self.passed >= START_UP {
            self.enter(HealthState::Healthy, None, now);
        }
        Transition::Discard
    }

    fn alarmed(&mut self, alarm: Alarm, now: u64) -> Transition {
        // The counts of the tests go on, so that what is really broken comes to the permanent cutoff.
        let over = self.strikes.strike() || alarm.grade == Severity::Permanent;
        let state = if over { HealthState::Failed } else { HealthState::Suspect };
        self.enter(state, Some(Cause::Alarm(alarm)), now);
        Transition::Drop
    }

    fn enter(&mut self, state: HealthState, cause: Option<Cause>, now: u64) {
        if self.state != state {
            self.since = now;
        }
        (self.state, self.cause) = (state, cause);
        self.passed = 0;
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
