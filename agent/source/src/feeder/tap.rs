//! Where a pool meets a source: its own health tests of all samples, and those that are for it.

use std::io;
use std::sync::{Arc, Mutex};

use super::stage::{Disabled, Stage};
use super::{Bell, Tally};
use crate::buffer::Buffer;
use crate::health::{Cause, Fate, Limits, Loss, Monitor, SampleKind, State};
use crate::memory::MapMemory;
use crate::spec::SourceSpec;
use crate::wake::{Wake, lock};

/// Tested samples that may wait for a pool.
const CAPACITY: usize = 8192;
/// A tap wants more while it has room for so much: the most of one read, and a block that it completes.
const ROOM: usize = super::core::READ + crate::fips::BLOCK;

/// One pool's share of one source. The feeder puts in, the pool's engine takes out, anybody may look.
///
/// Pools may claim different things of one source, and each is held to its own claim: so a wrong claim harms
/// the pool that makes it and no other.
pub(crate) struct Tap {
    inbox: Mutex<Inbox>,
    /// Wakes the source's feeder.
    bell: Bell,
    /// Wakes the pool's engine.
    engine: Arc<Wake>,
}

struct Inbox {
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

impl Tap {
    pub(crate) fn new(spec: &SourceSpec, bell: Bell, engine: Arc<Wake>, now: u64) -> Result<Self, MapMemory> {
        let limits = Limits::for_rate(SampleKind::Byte, spec.tested_as(), spec.bytes_per_second);
        // What fails together shall not be tried again together; the instant differs on every host.
        let monitor = Monitor::new(limits, now, now);
        let inbox = Inbox {
            monitor,
            limits,
            stage: spec.block_tests.then(Stage::new),
            samples: Buffer::with_capacity(CAPACITY)?,
            wanted: false,
            drops: 0,
            tally: Tally::default(),
            sentence: String::new(),
        };
        Ok(Self { inbox: Mutex::new(inbox), bell, engine })
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.inbox).health()
    }

    /// What an engine asks at every step: cheaper than all of [`health`](Self::health).
    pub(crate) fn standing(&self) -> Standing {
        let inbox = lock(&self.inbox);
        let is_new = inbox.monitor.cause().is_none();
        Standing { state: inbox.monitor.state(), is_new, drops: inbox.drops }
    }

    /// Whether the pool would use more samples now. Start-up tests are read for anyway.
    pub(crate) fn want(&self, wanted: bool) {
        self.change(|inbox| inbox.wanted = wanted);
    }

    /// Shows all samples that wait; `take` says how many of them it used up.
    pub(crate) fn take(&self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        self.change(|inbox| {
            let taken = take(inbox.samples.chunk()).min(inbox.samples.level());
            inbox.samples.consume(taken);
            taken
        })
    }

    /// Forgets why the source was off, and what it gave.
    pub(crate) fn retest(&self, now: u64) {
        {
            let mut inbox = lock(&self.inbox);
            inbox.drop_samples();
            inbox.stage = inbox.stage.is_some().then(Stage::new);
            inbox.monitor.retest(now);
            inbox.sentence.clear();
        }
        self.engine.wake();
        self.bell.ring();
    }

    /// Rings for the feeder if it can go on now and could not before.
    fn change<T>(&self, change: impl FnOnce(&mut Inbox) -> T) -> T {
        let mut inbox = lock(&self.inbox);
        let before = inbox.wants();
        let result = change(&mut inbox);
        let ring = !before && inbox.wants();
        drop(inbox);
        if ring {
            self.bell.ring();
        }
        result
    }
}

/// What only the feeder does.
impl Tap {
    /// Whether a sample read now would go here, or be tested for it.
    pub(super) fn wants(&self) -> bool {
        lock(&self.inbox).wants()
    }

    /// In a start-up test.
    pub(super) fn is_testing(&self) -> bool {
        lock(&self.inbox).is_testing()
    }

    /// Tests samples, and keeps them if they pass and are `for_us`.
    pub(super) fn observe(&self, samples: &[u8], for_us: bool, now: u64) {
        let news = {
            let mut inbox = lock(&self.inbox);
            let before = inbox.monitor.state();
            let level = inbox.samples.level();
            inbox.observe(samples, for_us, now);
            inbox.monitor.state() != before || inbox.samples.level() != level
        };
        if news {
            self.engine.wake();
        }
    }

    /// The source could not be opened or read: the sentence says how.
    pub(super) fn lost(&self, loss: Loss, sentence: &str, now: u64) {
        lock(&self.inbox).lost(loss, sentence, now);
        self.engine.wake();
    }

    /// The source is open again.
    pub(super) fn opened(&self, now: u64) {
        lock(&self.inbox).monitor.opened(now);
        self.engine.wake();
    }
}

impl Inbox {
    fn health(&self) -> Health {
        Health {
            state: self.monitor.state(),
            since: self.monitor.since(),
            reason: self.monitor.cause().map(Cause::reason),
            sentence: self.sentence.clone(),
            tally: self.tally,
        }
    }

    fn is_testing(&self) -> bool {
        matches!(self.monitor.state(), State::Starting | State::Suspect)
    }

    fn wants(&self) -> bool {
        let room = self.samples.capacity() - self.samples.level();
        self.is_testing() || (self.wanted && self.monitor.state() == State::Healthy && room >= ROOM)
    }

    fn observe(&mut self, samples: &[u8], for_us: bool, now: u64) {
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

    fn lost(&mut self, loss: Loss, sentence: &str, now: u64) {
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
