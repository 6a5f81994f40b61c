//! Decides and makes what a pool serves; the thread around it only waits.

use std::io;
use std::sync::Arc;
use std::thread::{JoinHandle, park, park_timeout};
use std::time::Duration;

use super::inputs::{Inputs, KernelBytes};
use super::mode::{OutputMode, stream_personalization};
use super::pool::{Losses, Pool, PoolState};
use super::selection::{Candidate, Selection, Serving, select};
use super::stretched::StretchedOutput;
use crate::Clock;
use crate::block_queue::{Producer, Quality};
use crate::spec::Output;

/// Nanoseconds between two attempts to read a kernel that is not seeded.
const KERNEL_RETRY: u64 = 100_000_000;

/// Makes the bytes of one pool.
pub(crate) struct Engine {
    pool: Arc<Pool>,
    queue: Producer,
    kernel: KernelBytes,
    kernel_ready: bool,
    mode: OutputMode,
    /// Made while the promise cannot be kept.
    degraded: Option<StretchedOutput>,
    /// For each member, what it had lost at the last poll.
    losses: Vec<Losses>,
    /// The pool that this one replaces, until it has ended.
    predecessor: Option<Arc<Pool>>,
}

impl Engine {
    pub(crate) fn new(pool: Arc<Pool>, queue: Producer, kernel: KernelBytes) -> Self {
        let (mode, losses) = (OutputMode::new(&pool.spec), vec![Losses::default(); pool.members.len()]);
        Self { pool, queue, kernel, kernel_ready: false, mode, degraded: None, losses, predecessor: None }
    }

    /// The engine of a pool that replaces another, with what that one has collected when it ends.
    pub(crate) fn succeeding(mut self, predecessor: Option<Arc<Pool>>) -> Self {
        if let Some(predecessor) = &predecessor {
            predecessor.set_successor(&self.pool);
        }
        self.predecessor = predecessor;
        self
    }

    /// Leaves to the pool that replaces this one what was collected so far.
    pub(crate) fn end(mut self, now: u64) {
        self.take_over(now);
        self.pool.end(self.mode);
    }

    /// An edit must not cost a slow source's samples: they were tested for the same claim.
    fn take_over(&mut self, now: u64) {
        let Some(predecessor) = self.predecessor.as_ref().filter(|pool| pool.has_ended()) else { return };
        let agreeing = self.pool.members.iter().filter(|member| member.take_over(predecessor, now)).count();
        let has_lost = self.losses.iter().any(|losses| *losses != Losses::default());
        let continues = self.pool.spec.continues(&predecessor.spec);
        let may_continue = continues && !has_lost && agreeing == self.pool.members.len();
        if let Some(mode) = predecessor.take_mode().filter(|_| may_continue) {
            self.mode = mode;
            let pairs = self.pool.members.iter().filter_map(|member| member.with_older(predecessor));
            self.mode.rename_sources(&pairs.map(|(new, old)| (old.id(), new.id())).collect());
        }
        self.predecessor = None;
    }

    /// Makes what can be made now. Returns the instant at which to poll again even if nothing happens.
    pub(crate) fn poll(&mut self, now: u64) -> Option<u64> {
        // First, so that a reset during this poll voids all that it makes.
        self.queue.start_epoch();
        if self.pool.take_reset_request() {
            (self.mode, self.degraded) = (OutputMode::new(&self.pool.spec), None);
            self.queue.void();
        }
        self.take_over(now);
        let kernel_ready = self.is_kernel_ready();
        let (candidates, selection) = self.select(kernel_ready);
        let active: Vec<bool> = candidates.iter().map(|candidate| selection.is_active(*candidate)).collect();
        let Selection { serving, healthy, .. } = selection;
        let waits_for_kernel = !kernel_ready;
        let state = PoolState { serving, since: now, healthy, active: active.clone(), waits_for_kernel };
        let before = self.pool.set_state(state);
        let is_degraded = |serving| serving == Serving::Degraded;
        if is_degraded(before) != is_degraded(selection.serving) {
            // Classes without `allowDegraded` would wait behind degraded bytes, and a rest of promised bytes shorter
            // than any request would block the degraded ones.
            self.queue.void();
            self.degraded = None;
        }
        let made = self.make(selection.serving, &active, now);
        self.request_samples(&active);
        (made.is_err() || !kernel_ready).then(|| now.saturating_add(KERNEL_RETRY))
    }

    /// Also discards what was made of samples so far if a member's samples were dropped, and every secret if it failed: its
    /// subscriber has voided the bytes.
    fn select(&mut self, kernel_ready: bool) -> (Vec<Candidate>, Selection) {
        let spec = &self.pool.spec;
        let (candidates, losses) = self.pool.candidates(kernel_ready);
        if losses != self.losses {
            let failures = |losses: &[Losses]| losses.iter().map(|losses| losses.failures).sum::<u64>();
            if failures(&losses) == failures(&self.losses) {
                self.mode.discard_samples();
            } else {
                self.mode = OutputMode::new(&self.pool.spec);
            }
            self.losses = losses;
        }
        let selection = select(&candidates, spec.min_healthy, spec.on_failure);
        // A generator is seeded by the kernel too; only raw samples need none.
        let needs_kernel = match selection.serving {
            Serving::Promised => spec.output != Output::Raw,
            Serving::Degraded => true,
            Serving::Starting | Serving::Held => false,
        };
        if needs_kernel && !kernel_ready {
            return (candidates, Selection { serving: Serving::Starting, tier: None, ..selection });
        }
        (candidates, selection)
    }

    fn make(&mut self, serving: Serving, active: &[bool], now: u64) -> io::Result<()> {
        let Self { pool, queue, kernel, mode, degraded, .. } = self;
        let made = match serving {
            Serving::Starting | Serving::Held => 0,
            Serving::Promised => {
                let inputs = inputs(pool, active, *kernel);
                queue.fill(Quality::Promised, |space| mode.fill(space, &inputs, &pool.spec, now))?
            }
            Serving::Degraded => {
                let output =
                    degraded.get_or_insert_with(|| StretchedOutput::new(stream_personalization(&pool.spec)));
                let inputs = Inputs::kernel_only(*kernel);
                queue.fill(Quality::Degraded, |space| output.fill(space, &inputs, now))?
            }
        };
        pool.add_bytes_out(made);
        Ok(())
    }

    fn request_samples(&mut self, active: &[bool]) {
        let wanted = self.queue.has_room() || self.mode.wants_samples();
        for (member, active) in self.pool.members.iter().zip(active) {
            if let Some(subscriber) = member.subscriber() {
                subscriber.set_wanted(*active && wanted);
            }
        }
    }

    /// Once seeded, the kernel stays so.
    fn is_kernel_ready(&mut self) -> bool {
        self.kernel_ready = self.kernel_ready || (self.kernel)(&mut [0; 1]).is_ok();
        self.kernel_ready
    }
}

fn inputs<'a>(pool: &'a Pool, active: &[bool], kernel: KernelBytes) -> Inputs<'a> {
    let mut inputs = Inputs { credited: vec![], uncredited: vec![], has_kernel: false, kernel };
    for (member, _) in pool.members.iter().zip(active).filter(|(_, active)| **active) {
        match member.subscriber() {
            None => inputs.has_kernel = true,
            Some(subscriber) if member.counts(pool.spec.output) => {
                inputs.credited.push((subscriber, member.spec.tested_min_entropy()));
            }
            Some(subscriber) => inputs.uncredited.push(subscriber),
        }
    }
    inputs
}

/// Starts the thread that makes a pool's bytes. It ends when the pool's queue is stopped.
pub(crate) fn spawn(pool: Arc<Pool>, mut engine: Engine, clock: Clock) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("pool".into()).spawn(move || {
        pool.engine.register_current_thread();
        while !pool.queue.is_stopped() {
            // A wake since the poll began makes either return at once.
            match engine.poll(clock()) {
                None => park(),
                Some(due) => park_timeout(Duration::from_nanos(due.saturating_sub(clock()))),
            }
        }
        engine.end(clock());
    })
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod provenance_tests;
