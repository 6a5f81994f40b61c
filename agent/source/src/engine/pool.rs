//! One pool: its sources, and how it stands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::member::Member;
use super::selection::Serving;
use crate::block_queue::Shared;
use crate::spec::PoolSpec;
use crate::waker::{EngineWaker, lock};

/// What a pool's engine works on and others may look at.
pub(crate) struct Pool {
    pub(crate) spec: PoolSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) pipe: Arc<Shared>,
    pub(crate) engine: Arc<EngineWaker>,
    standing: Mutex<PoolState>,
    bytes_out: AtomicU64,
    /// Forget all that is secret and test all sources: this host is not the one it was.
    renew: AtomicBool,
}

/// What is served, and since when.
#[derive(Clone, Debug)]
pub(crate) struct PoolState {
    pub(crate) serving: Serving,
    pub(crate) since: u64,
    /// How many of the sources that count are healthy.
    pub(crate) healthy: usize,
    /// Of each member, whether it is active from.
    pub(crate) active: Vec<bool>,
}

impl Pool {
    pub(crate) fn new(
        spec: PoolSpec,
        members: Vec<Member>,
        pipe: Arc<Shared>,
        engine: Arc<EngineWaker>,
        now: u64,
    ) -> Self {
        let active = vec![false; members.len()];
        let standing = PoolState { serving: Serving::Starting, since: now, healthy: 0, active };
        Self {
            spec,
            members,
            pipe,
            engine,
            standing: Mutex::new(standing),
            bytes_out: AtomicU64::new(0),
            renew: AtomicBool::new(false),
        }
    }

    pub(crate) fn standing(&self) -> PoolState {
        lock(&self.standing).clone()
    }

    /// Bytes made for those who draw from the pool.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Voids all bytes made so far, forgets every secret and starts all sources anew.
    pub(crate) fn renew(&self, now: u64) {
        self.renew.store(true, Ordering::SeqCst);
        self.pipe.void();
        self.members.iter().filter_map(Member::tap).for_each(|tap| tap.retest(now));
        self.engine.wake();
    }

    pub(super) fn is_renewed(&self) -> bool {
        self.renew.swap(false, Ordering::SeqCst)
    }

    pub(super) fn made(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes how it stands; gives what was served before.
    pub(super) fn note(&self, serving: Serving, healthy: usize, active: Vec<bool>, now: u64) -> Serving {
        let mut standing = lock(&self.standing);
        let before = standing.serving;
        let since = if before == serving { standing.since } else { now };
        *standing = PoolState { serving, since, healthy, active };
        before
    }
}
