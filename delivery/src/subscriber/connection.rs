//! The stream: when to connect, and when to give up.

use clock::{Backoff, Exponential, Jitter, Span, Tick};

/// The time within which a controller must answer a subscription.
pub const SUBSCRIBE_TIMEOUT: Span = Span::seconds(10);
/// The maximum delay between two attempts to connect.
pub const MAX_RETRY_DELAY: Span = Span::millis(3_000);
/// The maximum delay after a stream has ended. It is random, because all agents of a cluster lose their streams
/// at once.
pub const FIRST_RETRY_DELAY: Span = Span::millis(1_000);

const RETRIES: Exponential = Exponential { first: FIRST_RETRY_DELAY, longest: MAX_RETRY_DELAY };

#[derive(Debug)]
pub(super) struct StreamConnection {
    state: StreamConnectionState,
    /// Of consecutive attempts that failed.
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug)]
enum StreamConnectionState {
    /// To be opened at that time.
    Down(Tick),
    /// The caller limits the time.
    Opening,
    /// When the agent subscribed, if there is no answer yet, and the newest nonce.
    Up { subscribed: Option<Tick>, nonce: u64 },
}

pub(super) enum ConnectionDue {
    Nothing,
    Connect,
    GiveUp,
}

impl StreamConnection {
    pub(super) fn new(now: Tick, seed: u64) -> Self {
        Self { state: StreamConnectionState::Down(now), backoff: Backoff::new(RETRIES, Jitter::Spread, seed) }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, StreamConnectionState::Up { .. })
    }

    pub(super) fn connected(&mut self, now: Tick) {
        self.state = StreamConnectionState::Up { subscribed: Some(now), nonce: 0 };
    }

    pub(super) fn subscribed(&mut self, now: Tick) {
        if let StreamConnectionState::Up { subscribed, .. } = &mut self.state {
            *subscribed = Some(now);
        }
    }

    /// An update was understood, so the controller is working.
    pub(super) fn update_received(&mut self, newest: u64) {
        if let StreamConnectionState::Up { subscribed, nonce } = &mut self.state {
            (*subscribed, *nonce) = (None, newest);
            self.backoff.reset();
        }
    }

    /// Whether an update is newer than all others on the stream.
    pub(super) fn is_newest(&self, update: u64) -> bool {
        matches!(self.state, StreamConnectionState::Up { nonce, .. } if update > nonce)
    }

    pub(super) fn disconnected(&mut self, now: Tick) {
        self.state = StreamConnectionState::Down(now + self.backoff.delay());
    }

    /// The controller asks the agent to reconnect within `spread`.
    pub(super) fn leave(&mut self, now: Tick, spread: Span) {
        self.state = StreamConnectionState::Down(now + self.backoff.below(spread));
    }

    pub(super) fn due(&mut self, now: Tick) -> ConnectionDue {
        match self.state {
            StreamConnectionState::Down(at) if now >= at => {
                self.state = StreamConnectionState::Opening;
                ConnectionDue::Connect
            }
            StreamConnectionState::Up { subscribed: Some(at), .. } if now >= at + SUBSCRIBE_TIMEOUT => {
                self.disconnected(now);
                ConnectionDue::GiveUp
            }
            _ => ConnectionDue::Nothing,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        match self.state {
            StreamConnectionState::Down(at) => Some(at),
            StreamConnectionState::Up { subscribed, .. } => subscribed.map(|at| at + SUBSCRIBE_TIMEOUT),
            StreamConnectionState::Opening => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(seed: u64) -> Vec<u64> {
        let mut connection = StreamConnection::new(Tick(0), seed);
        let wait = |_| {
            connection.disconnected(Tick(0));
            connection.wake_at().expect("it is down").0
        };
        (0..20).map(wait).collect()
    }

    #[test]
    fn retry_delays_grow_to_a_maximum_and_are_random() {
        let waits = waits(7);
        assert!(waits[0] < FIRST_RETRY_DELAY.0);
        assert!(waits[4..].iter().all(|wait| (MAX_RETRY_DELAY.0 / 2..MAX_RETRY_DELAY.0).contains(wait)));
        assert!(waits[4..].windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn agents_that_disconnect_together_do_not_reconnect_together() {
        // Of 5,000 agents, at most a fifth reconnects in each tenth of the first second.
        let mut slices = [0; 10];
        for seed in 0..5_000_u64 {
            let first = waits(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))[0];
            slices[usize::try_from(first * 10 / FIRST_RETRY_DELAY.0).expect("below ten")] += 1;
        }
        assert!(slices.iter().all(|&count| count < 1_000), "{slices:?}");
    }
}
