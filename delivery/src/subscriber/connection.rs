//! The stream under the conversation: when to connect, and when to give one up.

use super::{ANSWER_WITHIN, FIRST_RETRY, RETRY_AT_MOST};
use clock::{Backoff, Exponential, Jitter, Span, Tick};

const RETRIES: Exponential = Exponential { first: FIRST_RETRY, longest: RETRY_AT_MOST };

#[derive(Debug)]
pub(super) struct Connection {
    state: ConnectionState,
    /// Of attempts that brought nothing, one after the other.
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug)]
enum ConnectionState {
    /// To be opened at that time.
    Down(Tick),
    /// Being opened; whoever does that gives up by himself.
    Opening,
    /// Open; asked at a time, if there was no answer yet, and the newest nonce.
    Up { asked: Option<Tick>, nonce: u64 },
}

pub(super) enum ConnectionDue {
    Nothing,
    Connect,
    GiveUp,
}

impl Connection {
    pub(super) fn new(now: Tick, seed: u64) -> Self {
        Self { state: ConnectionState::Down(now), backoff: Backoff::new(RETRIES, Jitter::Spread, seed) }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, ConnectionState::Up { .. })
    }

    pub(super) fn connected(&mut self, now: Tick) {
        self.state = ConnectionState::Up { asked: Some(now), nonce: 0 };
    }

    pub(super) fn asked(&mut self, now: Tick) {
        if let ConnectionState::Up { asked, .. } = &mut self.state {
            *asked = Some(now);
        }
    }

    /// An update of this nonce was understood: the controller is of use.
    pub(super) fn heard(&mut self, newest: u64) {
        if let ConnectionState::Up { asked, nonce } = &mut self.state {
            (*asked, *nonce) = (None, newest);
            self.backoff.reset();
        }
    }

    /// Whether an update is newer than all others of the stream.
    pub(super) fn is_news(&self, update: u64) -> bool {
        matches!(self.state, ConnectionState::Up { nonce, .. } if update > nonce)
    }

    pub(super) fn lost(&mut self, now: Tick) {
        self.state = ConnectionState::Down(now + self.backoff.delay());
    }

    /// The controller asks to come back within `spread`.
    pub(super) fn leave(&mut self, now: Tick, spread: Span) {
        self.state = ConnectionState::Down(now + self.backoff.below(spread));
    }

    pub(super) fn due(&mut self, now: Tick) -> ConnectionDue {
        match self.state {
            ConnectionState::Down(at) if now >= at => {
                self.state = ConnectionState::Opening;
                ConnectionDue::Connect
            }
            ConnectionState::Up { asked: Some(at), .. } if now >= at + ANSWER_WITHIN => {
                self.lost(now);
                ConnectionDue::GiveUp
            }
            _ => ConnectionDue::Nothing,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        match self.state {
            ConnectionState::Down(at) => Some(at),
            ConnectionState::Up { asked, .. } => asked.map(|at| at + ANSWER_WITHIN),
            ConnectionState::Opening => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(seed: u64) -> Vec<u64> {
        let mut link = Connection::new(Tick(0), seed);
        let wait = |_| {
            link.lost(Tick(0));
            link.wake_at().expect("it is down").0
        };
        (0..20).map(wait).collect()
    }

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let waits = waits(7);
        assert!(waits[0] < FIRST_RETRY.0);
        assert!(waits[4..].iter().all(|wait| (RETRY_AT_MOST.0 / 2..RETRY_AT_MOST.0).contains(wait)));
        assert!(waits[4..].windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn those_who_lost_their_stream_together_do_not_come_back_together() {
        // Of 5,000, none of ten slices of the first second holds more than a fifth.
        let mut slices = [0; 10];
        for seed in 0..5_000_u64 {
            let first = waits(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))[0];
            slices[usize::try_from(first * 10 / FIRST_RETRY.0).expect("below ten")] += 1;
        }
        assert!(slices.iter().all(|&count| count < 1_000), "{slices:?}");
    }
}
