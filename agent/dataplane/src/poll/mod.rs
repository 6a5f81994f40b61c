//! What the loop sleeps on: epoll, one timer, one eventfd that wakes it.

mod event;

pub(crate) use event::{PollEvent, Token};

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use htb::Tick;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::clock;

/// The most events in a batch. It bounds the duration of a batch, at some 2.5 µs an event, and keeps the kernel's part of
/// the sockets in the cache until they are written to: with a thousand VMs a batch of 512 costs each request about a
/// twentieth more.
const MAX_EVENTS: usize = 128;

/// Timers are rounded up to this many nanoseconds, so that instants close together share one wake-up.
const GRANULARITY: u64 = 100_000;

const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// Epoll, always edge-triggered.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    waker: LoopWaker,
    /// The current setting of the timer, since setting it is a system call.
    armed: Option<Tick>,
}

/// The events of one wait. Apart from [`Poll`], since the kernel's events are not `Send`.
pub(crate) struct PollEvents(Vec<epoll::Event>);

impl PollEvents {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(MAX_EVENTS))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PollEvent> {
        self.0.iter().map(|event| PollEvent::unpack(*event))
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered, neither is ever read: each expiry and each wake is a new edge.
        epoll::add(&epoll, &timer, Token::Timer.pack(), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &waker, Token::Waker.pack(), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, timer, waker: LoopWaker(Arc::new(waker)), armed: None })
    }

    pub(crate) fn waker(&self) -> LoopWaker {
        self.waker.clone()
    }

    /// Reports when `source` becomes readable.
    pub(crate) fn add(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, token.pack(), READ)?)
    }

    /// Reports also, or no longer, when `source` becomes writable. Only for blocked connections, since every reply that a
    /// peer reads would be an event.
    pub(crate) fn set_write_interest(&self, source: impl AsFd, token: Token, on: bool) -> io::Result<()> {
        let flags = if on { READ | EventFlags::OUT } else { READ };
        Ok(epoll::modify(&self.epoll, source, token.pack(), flags)?)
    }

    /// Reports no more events of `source`, which stays open.
    pub(crate) fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Sets the timer to `due`, or stops it: a stale timer would wake the loop while nothing is requested.
    pub(crate) fn arm_timer(&mut self, due: Option<Tick>) -> io::Result<()> {
        let due = due.map(round_up);
        if due != self.armed {
            // Zero stops a timer, and no due time is zero.
            let value = due.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, clock::timespec);
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
            self.armed = due;
        }
        Ok(())
    }

    /// Waits for events, or only collects those that are pending. A signal is not an error.
    pub(crate) fn wait(&mut self, events: &mut PollEvents, nonblocking: bool) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        events.0.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), nonblocking.then_some(&zero)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if events.iter().any(|event| event.token == Token::Timer) {
            self.armed = None;
        }
        Ok(())
    }
}

/// Wakes the loop from another thread.
#[derive(Clone, Debug)]
pub(crate) struct LoopWaker(Arc<OwnedFd>);

impl LoopWaker {
    pub(crate) fn wake(&self) {
        // It fails only when the count is full, after 2^64 writes that woke the loop as well.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

fn round_up(due: Tick) -> Tick {
    Tick(due.0.checked_next_multiple_of(GRANULARITY).unwrap_or(due.0).max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wait(poll: &mut Poll, nonblocking: bool) -> Vec<Token> {
        let mut events = PollEvents::new();
        poll.wait(&mut events, nonblocking).unwrap();
        events.iter().map(|event| event.token).collect()
    }

    #[test]
    fn every_wake_is_an_event_though_nothing_is_read() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..3 {
            poll.waker().wake();
            assert_eq!(wait(&mut poll, false), [Token::Waker]);
            assert_eq!(wait(&mut poll, true), []);
        }
    }

    #[test]
    fn the_timer_fires_at_its_instant_and_can_be_set_again() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..3 {
            let due = clock::now().after(2_000_000);
            poll.arm_timer(Some(due)).unwrap();
            assert_eq!(wait(&mut poll, false), [Token::Timer]);
            assert!(clock::now() >= due);
        }
    }

    #[test]
    fn a_stopped_timer_does_not_fire() {
        let mut poll = Poll::new().unwrap();
        poll.arm_timer(Some(Tick(1))).unwrap();
        poll.arm_timer(None).unwrap();
        assert_eq!(wait(&mut poll, true), []);
    }

    #[test]
    fn instants_close_together_share_a_wake_up() {
        assert_eq!(round_up(Tick(1)), Tick(GRANULARITY));
        assert_eq!(round_up(Tick(GRANULARITY)), Tick(GRANULARITY));
        assert_eq!(round_up(Tick(GRANULARITY + 1)), Tick(2 * GRANULARITY));
        assert_eq!(round_up(Tick(u64::MAX)), Tick(u64::MAX));
        assert_eq!(round_up(Tick(0)), Tick(1), "zero would stop the timer");
    }
}
