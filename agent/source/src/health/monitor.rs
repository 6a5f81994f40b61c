//! What one source may be used for, from start to failure.

use super::strikes::Strikes;
use super::{Alarm, Backoff, Cause, Fate, Grade, HealthTests, Limits, Loss, State, Verdict, Wake};

/// Consecutive samples the start-up test takes, SP 800-90B 4.3: at least 1,024.
const START_UP: usize = 1024;
/// Nanoseconds after which a read that brought nothing is a stall.
const STALL: u64 = 10_000_000_000;

/// The health of one source. Its reader tells it what happens and when, and it answers what that means.
#[derive(Clone, Debug)]
pub struct Monitor {
    tests: HealthTests,
    state: State,
    cause: Option<Cause>,
    since: u64,
    /// Clean samples of the running start-up test.
    passed: usize,
    strikes: Strikes,
    backoff: Backoff,
    /// A stall if a read is out, a new try if the source is unavailable.
    due: Option<u64>,
}

impl Monitor {
    /// A source just opened. `seed` spreads the retries of sources that fail together.
    pub fn new(limits: Limits, seed: u64, now: u64) -> Self {
        Self {
            tests: HealthTests::new(limits),
            state: State::Starting,
            cause: None,
            since: now,
            passed: 0,
            strikes: Strikes::default(),
            backoff: Backoff::new(seed),
            due: None,
        }
    }

    /// The state it is in.
    pub fn state(&self) -> State {
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

    /// The instant at which to call [`elapse`](Self::elapse), if any.
    pub fn due(&self) -> Option<u64> {
        self.due
    }

    /// A read was asked for and has not answered.
    pub fn asked(&mut self, now: u64) {
        if !matches!(self.state, State::Failed | State::Unavailable) {
            self.due.get_or_insert(now.saturating_add(STALL));
        }
    }

    /// Samples came, in the order in which the source made them.
    pub fn samples(&mut self, samples: &[u8], now: u64) -> Fate {
        if matches!(self.state, State::Failed | State::Unavailable) {
            return Fate::Drop;
        }
        if !samples.is_empty() {
            self.due = None;
        }
        match self.tests.observe(samples) {
            Verdict::Pass => self.clean(samples.len(), now),
            Verdict::Alarm(alarm) => self.alarmed(alarm, now),
        }
    }

    /// The source could not be opened or read.
    pub fn lost(&mut self, loss: Loss, now: u64) {
        if self.state != State::Failed {
            self.enter(State::Unavailable, Some(Cause::Lost(loss)), now);
            self.due = Some(now.saturating_add(self.backoff.wait()));
        }
    }

    /// The source was opened again.
    pub fn opened(&mut self, now: u64) {
        if self.state == State::Unavailable {
            self.enter(State::Starting, self.cause, now);
        }
    }

    /// The FIPS 140-2 block tests disabled the source.
    pub fn disable(&mut self, now: u64) {
        self.enter(State::Failed, Some(Cause::BlockTests), now);
    }

    /// Somebody looked after the source: forget its past and start anew.
    pub fn retest(&mut self, now: u64) {
        self.tests = HealthTests::new(*self.tests.limits());
        self.strikes = Strikes::default();
        self.backoff.reset();
        self.enter(State::Starting, None, now);
    }

    /// What is due at `now`.
    pub fn elapse(&mut self, now: u64) -> Wake {
        if self.due.is_none_or(|due| now < due) {
            return Wake::Nothing;
        }
        self.due = None;
        if self.state == State::Unavailable {
            return Wake::Open;
        }
        self.lost(Loss::Stall, now);
        Wake::Close
    }

    fn clean(&mut self, count: usize, now: u64) -> Fate {
        self.strikes.clean(count);
        if self.state == State::Healthy {
            return Fate::Credit;
        }
        self.passed = self.passed.saturating_add(count);
        if self.passed >= START_UP {
            self.backoff.reset();
            self.enter(State::Healthy, None, now);
        }
        Fate::Discard
    }

    fn alarmed(&mut self, alarm: Alarm, now: u64) -> Fate {
        // The counts of the tests go on, so that what is really broken comes to the permanent cutoff.
        let over = self.strikes.strike() || alarm.grade == Grade::Permanent;
        let state = if over { State::Failed } else { State::Suspect };
        self.enter(state, Some(Cause::Alarm(alarm)), now);
        Fate::Drop
    }

    fn enter(&mut self, state: State, cause: Option<Cause>, now: u64) {
        if self.state != state {
            self.since = now;
        }
        (self.state, self.cause) = (state, cause);
        self.passed = 0;
        self.due = None;
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
