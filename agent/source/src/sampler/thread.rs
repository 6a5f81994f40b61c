//! The thread around a feeder.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::core::{Next, Sampler, WakeReason};
use super::{SamplerWaker, Subscriber};
use crate::Clock;
use crate::waker::lock;

/// Somebody's interest in a source; when the last one goes, the source is closed.
pub(crate) struct Handle {
    shared: Arc<Shared>,
    bell: SamplerWaker,
}

struct Shared {
    taps: Mutex<Vec<Arc<Subscriber>>>,
    stop: AtomicBool,
}

impl Handle {
    /// Of a source that nobody reads yet.
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Shared { taps: Mutex::default(), stop: AtomicBool::new(false) };
        Ok(Self { shared: Arc::new(shared), bell: SamplerWaker::new()? })
    }

    /// Starts the thread that reads the source while this handle lives.
    pub(crate) fn start(&self, feeder: Sampler, clock: Clock) -> io::Result<JoinHandle<()>> {
        let (shared, bell) = (Arc::clone(&self.shared), self.bell.clone());
        let thread = std::thread::Builder::new().name("noise".into());
        thread.spawn(move || run(feeder, &shared, &bell, clock))
    }

    /// What taps of this source ring.
    pub(crate) fn bell(&self) -> &SamplerWaker {
        &self.bell
    }

    pub(crate) fn add(&self, tap: Arc<Subscriber>) {
        lock(&self.shared.taps).push(tap);
        self.bell.ring();
    }

    pub(crate) fn remove(&self, tap: &Arc<Subscriber>) {
        lock(&self.shared.taps).retain(|other| !Arc::ptr_eq(other, tap));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
    }
}

impl Shared {
    fn taps(&self) -> Vec<Arc<Subscriber>> {
        lock(&self.taps).clone()
    }
}

#[cfg(any(test, feature = "fake"))]
impl Handle {
    /// Those who draw from it, for a test that is its own thread.
    pub(crate) fn taps(&self) -> Vec<Arc<Subscriber>> {
        self.shared.taps()
    }
}

fn run(mut feeder: Sampler, shared: &Shared, bell: &SamplerWaker, clock: Clock) {
    let mut woke = WakeReason::Otherwise;
    while !shared.stop.load(Ordering::Relaxed) {
        let next = feeder.step(&shared.taps(), woke, clock());
        woke = wait(&feeder, bell, next, clock);
    }
}

fn wait(feeder: &Sampler, bell: &SamplerWaker, next: Next, clock: Clock) -> WakeReason {
    let (due, source) = match next {
        Next::Now => return WakeReason::Otherwise,
        Next::Ready(due) => (Some(due), feeder.readiness()),
        Next::At(due) => (Some(due), None),
        Next::Bell => (None, None),
    };
    let timeout = due.map(|due| timespec(due.saturating_sub(clock())));
    let bell_fd = PollFd::new(bell, PollFlags::IN);
    let ready = match source {
        None => sleep(&mut [bell_fd], timeout.as_ref()),
        Some((fd, flags)) => sleep(&mut [bell_fd, PollFd::from_borrowed_fd(fd, flags)], timeout.as_ref()),
    };
    bell.hear();
    if ready { WakeReason::Ready } else { WakeReason::Otherwise }
}

/// Whether the source, if there is one, is ready.
fn sleep(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> bool {
    // It fails for a signal, and then looking around is right; for lack of memory, and then no worse than it.
    let woken = poll(fds, timeout).is_ok();
    woken && fds.get(1).is_some_and(|source| !source.revents().is_empty())
}

/// Rounded up by the kernel, so the wait is never too short.
fn timespec(nanoseconds: u64) -> Timespec {
    const SECOND: u64 = 1_000_000_000;
    // Below 2^64 / 10^9 and below 10^9: both fit.
    Timespec { tv_sec: (nanoseconds / SECOND).cast_signed(), tv_nsec: (nanoseconds % SECOND).cast_signed() }
}
