//! What the loop sleeps on: epoll, one timer, one bell for commands.

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

mod event;

pub(crate) use event::{Event, Token};

/// Most events taken at once. It bounds the time between two looks at everybody: some 2.5 µs an event. Of so many
/// sockets the kernel's part is still in the cache when they are written to: with a thousand VMs a batch of 512 costs
/// each request about a twentieth more.
const BATCH: usize = 128;

/// Due times are rounded up to this many nanoseconds, so that instants close together share one wake-up.
const GRAIN: u64 = 100_000;

const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// Epoll, always edge-triggered.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    bell: Arc<OwnedFd>,
    /// What the timer is set to; setting it is a system call.
    armed: Option<Tick>,
}

/// What one wait brings. Apart from [`Poll`], because the kernel's events may not change threads.
pub(crate) struct Events(Vec<epoll::Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(BATCH))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.0.iter().map(|event| Event::unpack(*event))
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered, neither is ever read: a new expiry and a new ring are new edges.
        epoll::add(&epoll, &timer, Token::Timer.pack(), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &bell, Token::Waker.pack(), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, timer, bell: Arc::new(bell), armed: None })
    }

    /// What wakes the loop from another thread: see [`ring`].
    pub(crate) fn bell(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.bell)
    }

    /// Tells of arrivals at `source`.
    pub(crate) fn watch(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, token.pack(), READ)?)
    }

    /// Tells also, or no longer, that `source` can be written to. Only a blocked connection asks for it: every
    /// reply that a peer reads would be an event.
    pub(crate) fn watch_writing(&self, source: impl AsFd, token: Token, on: bool) -> io::Result<()> {
        let flags = if on { READ | EventFlags::OUT } else { READ };
        Ok(epoll::modify(&self.epoll, source, token.pack(), flags)?)
    }

    /// No more events about `source`, which stays open.
    pub(crate) fn forget(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Sets the timer to `due`, or stops it. A timer that would only fire too early, for nothing, is still
    /// stopped: nothing wakes when nothing is asked.
    pub(crate) fn arm(&mut self, due: Option<Tick>) -> io::Result<()> {
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

    /// Sleeps until something happens, or only looks. Never fails for a signal.
    pub(crate) fn wait(&mut self, events: &mut Events, look_only: bool) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        events.0.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), look_only.then_some(&zero)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if events.iter().any(|event| event.token == Token::Timer) {
            self.armed = None;
        }
        Ok(())
    }
}

/// Wakes the loop that sleeps on this bell.
pub(crate) fn ring(bell: &OwnedFd) {
    // It fails only when the count is full, after 2^64 rings that woke the loop as well.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

fn round_up(due: Tick) -> Tick {
    Tick(due.0.checked_next_multiple_of(GRAIN).unwrap_or(due.0).max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wait(poll: &mut Poll, look_only: bool) -> Vec<Token> {
        let mut events = Events::new();
        poll.wait(&mut events, look_only).unwrap();
        events.iter().map(|event| event.token).collect()
    }

    #[test]
    fn every_ring_wakes_though_nothing_is_read() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..3 {
            ring(&poll.bell());
            assert_eq!(wait(&mut poll, false), [Token::Waker]);
            assert_eq!(wait(&mut poll, true), []);
        }
    }

    #[test]
    fn the_timer_fires_at_its_instant_and_can_be_set_again() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..3 {
            let due = clock::now().after(2_000_000);
            poll.arm(Some(due)).unwrap();
            assert_eq!(wait(&mut poll, false), [Token::Timer]);
            assert!(clock::now() >= due);
        }
    }

    #[test]
    fn a_stopped_timer_does_not_fire() {
        let mut poll = Poll::new().unwrap();
        poll.arm(Some(Tick(1))).unwrap();
        poll.arm(None).unwrap();
        assert_eq!(wait(&mut poll, true), []);
    }

    #[test]
    fn instants_close_together_share_a_wake_up() {
        assert_eq!(round_up(Tick(1)), Tick(GRAIN));
        assert_eq!(round_up(Tick(GRAIN)), Tick(GRAIN));
        assert_eq!(round_up(Tick(GRAIN + 1)), Tick(2 * GRAIN));
        assert_eq!(round_up(Tick(u64::MAX)), Tick(u64::MAX));
        assert_eq!(round_up(Tick(0)), Tick(1), "zero would stop the timer");
    }
}
