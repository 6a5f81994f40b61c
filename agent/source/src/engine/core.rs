//! What an engine does next.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::full_entropy::FullEntropyOutput;
use super::inputs::Inputs;
use super::kernel_seed::KernelBytes;
use super::pool::Pool;
use super::raw;
use super::selection::{Candidate, Selection, Serving, choose};
use super::stretched::{StretchedOutput, from_kernel_alone};
use crate::block_queue::{Consumer, Quality};
use crate::condition::personalization;
use crate::spec::Output;

/// Nanoseconds until a kernel that is not seeded is asked again.
const KERNEL_RETRY: u64 = 100_000_000;

/// Makes the bytes of one pool.
pub(crate) struct Engine {
    pool: Arc<Pool>,
    outlet: Consumer,
    kernel: KernelBytes,
    kernel_ready: bool,
    mode: OutputMode,
    /// What is served when the promise cannot be kept.
    degraded: Option<StretchedOutput>,
    /// Of each member, how often its samples had been dropped when last looked at.
    drops: Vec<u64>,
}

/// How what was promised is made.
enum OutputMode {
    Stretched(StretchedOutput),
    /// Nothing until the kernel has given the first seed.
    FullEntropy(Option<FullEntropyOutput>),
    Raw,
}

impl OutputMode {
    fn new(pool: &Pool) -> Self {
        match pool.spec.output {
            Output::Stretched => Self::Stretched(StretchedOutput::new(personal(pool))),
            Output::FullEntropy => Self::FullEntropy(None),
            Output::Raw => Self::Raw,
        }
    }

    fn fill(&mut self, space: &mut [u8], from: &Inputs<'_>, pool: &Pool, now: u64) -> io::Result<usize> {
        match self {
            Self::Stretched(stretch) => stretch.fill(space, from, now),
            Self::FullEntropy(Some(full)) => full.fill(space, from, now),
            Self::FullEntropy(none) => {
                none.insert(FullEntropyOutput::new(&personal(pool), from, now)?).fill(space, from, now)
            }
            Self::Raw => Ok(raw::fill(space, from)),
        }
    }

    /// Drops what it took in and has not yet made bytes of.
    fn forget(&mut self) {
        match self {
            Self::Stretched(stretch) => stretch.forget(),
            Self::FullEntropy(full) => full.iter_mut().for_each(FullEntropyOutput::forget),
            Self::Raw => {}
        }
    }

    /// Whether samples would be of use though there is no room for bytes.
    fn is_gathering(&self) -> bool {
        matches!(self, Self::Stretched(stretch) if stretch.is_gathering())
    }
}

impl Engine {
    pub(crate) fn new(pool: Arc<Pool>, outlet: Consumer, kernel: KernelBytes) -> Self {
        let (mode, drops) = (OutputMode::new(&pool), vec![0; pool.members.len()]);
        Self { pool, outlet, kernel, kernel_ready: false, mode, degraded: None, drops }
    }

    /// Makes what can be made now. Gives the instant at which to look again though nothing happens.
    pub(crate) fn step(&mut self, now: u64) -> Option<u64> {
        // Before anything secret is looked at that may have to be forgotten.
        self.outlet.begin();
        if self.pool.is_renewed() {
            (self.mode, self.degraded) = (OutputMode::new(&self.pool), None);
            self.outlet.void();
        }
        let kernel_ready = self.is_kernel_ready();
        let (candidates, choice) = self.choose(kernel_ready);
        let active: Vec<bool> = candidates.iter().map(|candidate| choice.draws_from(*candidate)).collect();
        let before = self.pool.note(choice.serving, choice.healthy, active.clone(), now);
        let is_degraded = |serving| serving == Serving::Degraded;
        if is_degraded(before) != is_degraded(choice.serving) {
            // Those who may not have degraded bytes would wait behind what is left of them; and a rest of promised
            // ones that is less than anybody asks would stand in the way of the others.
            self.outlet.void();
            self.degraded = None;
        }
        let made = self.make(choice.serving, &active, now);
        self.ask_for_samples(&active);
        (made.is_err() || !kernel_ready).then(|| now.saturating_add(KERNEL_RETRY))
    }

    /// Notes also whose samples were dropped: what was made of them so far is dropped first.
    fn choose(&mut self, kernel_ready: bool) -> (Vec<Candidate>, Selection) {
        let spec = &self.pool.spec;
        let seen = self.pool.members.iter().map(|member| member.candidate(spec.output, kernel_ready));
        let (candidates, drops): (Vec<_>, Vec<_>) = seen.unzip();
        if drops != self.drops {
            self.mode.forget();
            self.drops = drops;
        }
        let choice = choose(&candidates, spec.min_healthy, spec.on_failure);
        (candidates, choice)
    }

    fn make(&mut self, serving: Serving, active: &[bool], now: u64) -> io::Result<()> {
        let Self { pool, outlet, kernel, mode, degraded, .. } = self;
        let made = match serving {
            Serving::Starting | Serving::Held => 0,
            Serving::Promised => {
                let from = ingredients(pool, active, *kernel);
                outlet.fill(Quality::Promised, |space| mode.fill(space, &from, pool, now))?
            }
            Serving::Degraded => {
                let stretch = degraded.get_or_insert_with(|| StretchedOutput::new(personal(pool)));
                let from = from_kernel_alone(*kernel);
                outlet.fill(Quality::Degraded, |space| stretch.fill(space, &from, now))?
            }
        };
        pool.made(made);
        Ok(())
    }

    fn ask_for_samples(&mut self, active: &[bool]) {
        let wanted = self.outlet.has_room() || self.mode.is_gathering();
        for (member, active) in self.pool.members.iter().zip(active) {
            if let Some(tap) = member.tap() {
                tap.want(*active && wanted);
            }
        }
    }

    /// Asked until it is: once seeded, it stays so.
    fn is_kernel_ready(&mut self) -> bool {
        self.kernel_ready = self.kernel_ready || (self.kernel)(&mut [0; 1]).is_ok();
        self.kernel_ready
    }
}

fn ingredients<'a>(pool: &'a Pool, active: &[bool], kernel: KernelBytes) -> Inputs<'a> {
    let mut from = Inputs { credited: vec![], uncredited: vec![], has_kernel: false, kernel };
    for (member, _) in pool.members.iter().zip(active).filter(|(_, active)| **active) {
        match member.tap() {
            None => from.has_kernel = true,
            Some(tap) if member.counts(pool.spec.output) => {
                from.credited.push((tap, member.spec.tested_as()));
            }
            Some(tap) => from.uncredited.push(tap),
        }
    }
    from
}

/// No two streams of this process have the same; the nonce in their seeds tells apart those of two processes.
fn personal(pool: &Pool) -> Vec<u8> {
    static STREAMS: AtomicU64 = AtomicU64::new(0);
    personalization(&[b"entropool", pool.spec.name.as_bytes()], STREAMS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
