//! The thread around a sampler.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::core::{Sampler, Wait, WakeReason};
use super::subscriber::Subscriber;
use crate::Clock;
use crate::waker::{SamplerWaker, lock};

/// The source is closed when its last handle is dropped.
pub(crate) struct SamplerHandle {
    shared: Arc<Shared>,
    waker: SamplerWaker,
}

struct Shared {
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    stop: AtomicBool,
}

impl SamplerHandle {
    /// For a source that has no thread yet.
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Shared { subscribers: Mutex::default(), stop: AtomicBool::new(false) };
        Ok(Self { shared: Arc::new(shared), waker: SamplerWaker::new()? })
    }

    /// Starts the thread that reads the source while this handle lives.
    pub(crate) fn spawn(&self, sampler: Sampler, clock: Clock) -> io::Result<JoinHandle<()>> {
        let (shared, waker) = (Arc::clone(&self.shared), self.waker.clone());
        let thread = std::thread::Builder::new().name("noise".into());
        thread.spawn(move || run(sampler, &shared, &waker, clock))
    }

    pub(crate) fn waker(&self) -> &SamplerWaker {
        &self.waker
    }

    pub(crate) fn subscribe(&self, subscriber: Arc<Subscriber>) {
        lock(&self.shared.subscribers).push(subscriber);
        self.waker.wake();
    }

    pub(crate) fn unsubscribe(&self, subscriber: &Arc<Subscriber>) {
        lock(&self.shared.subscribers).retain(|other| !Arc::ptr_eq(other, subscriber));
    }
}

impl Drop for SamplerHandle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}

impl Shared {
    fn subscribers(&self) -> Vec<Arc<Subscriber>> {
        lock(&self.subscribers).clone()
    }
}

#[cfg(any(test, feature = "fake"))]
impl SamplerHandle {
    /// For a test that polls the sampler itself.
    pub(crate) fn subscribers(&self) -> Vec<Arc<Subscriber>> {
        self.shared.subscribers()
    }
}

fn run(mut sampler: Sampler, shared: &Shared, waker: &SamplerWaker, clock: Clock) {
    let mut woke = WakeReason::Other;
    while !shared.stop.load(Ordering::Relaxed) {
        let until = sampler.poll(&shared.subscribers(), woke, clock());
        woke = wait(&sampler, waker, until, clock);
    }
}

fn wait(sampler: &Sampler, waker: &SamplerWaker, until: Wait, clock: Clock) -> WakeReason {
    let (due, source) = match until {
        Wait::None => return WakeReason::Other,
        Wait::Ready(due) => (Some(due), sampler.readiness()),
        Wait::Idle(due) => (Some(due), sampler.readiness().map(|(fd, _)| (fd, PollFlags::RDHUP))),
        Wait::Until(due) => (Some(due), None),
        Wait::Wake => (None, None),
    };
    let timeout = due.map(|due| timespec(due.saturating_sub(clock())));
    let wake = PollFd::new(waker, PollFlags::IN);
    let ready = match source {
        None => is_source_ready(&mut [wake], timeout.as_ref()),
        Some((fd, flags)) => {
            is_source_ready(&mut [wake, PollFd::from_borrowed_fd(fd, flags)], timeout.as_ref())
        }
    };
    waker.clear();
    if ready { WakeReason::Ready } else { WakeReason::Other }
}

/// Waits; returns whether the source, the second descriptor, is ready.
fn is_source_ready(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> bool {
    // Fails on a signal, after which polling the sampler is right, or for lack of memory, after which it does no harm.
    let woken = poll(fds, timeout).is_ok();
    woken && fds.get(1).is_some_and(|source| !source.revents().is_empty())
}

/// Rounded up by the kernel, so the wait is never too short.
fn timespec(nanoseconds: u64) -> Timespec {
    const SECOND: u64 = 1_000_000_000;
    // Below 2^64 / 10^9 and below 10^9: both fit.
    Timespec { tv_sec: (nanoseconds / SECOND).cast_signed(), tv_nsec: (nanoseconds % SECOND).cast_signed() }
}
