//! Whether the agent is still who it was.

use super::{AUTHENTICATE_EVERY, REVIEW_AGAIN, TOKEN_WITHIN};
use crate::message::Refusal;
use crate::tick::Tick;

/// What came of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is good, and of the same pod on the same node.
    Good,
    /// It is not.
    Denied(Refusal),
    /// Nobody could say. That is no refusal: the stream stays.
    NotMade,
}

#[derive(Debug)]
pub(super) struct Identity(State);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Good until then.
    Good(Tick),
    /// Asked for; to be shown until then.
    Asked(Tick),
    /// Shown, and under review.
    Reviewing,
}

pub(super) enum Due {
    Nothing,
    Ask,
    End,
}

impl Identity {
    pub(super) fn new(now: Tick) -> Self {
        Self(State::Good(now.plus(AUTHENTICATE_EVERY)))
    }

    pub(super) fn due(&mut self, now: Tick) -> Due {
        match self.0 {
            State::Good(until) if now >= until => {
                self.0 = State::Asked(now.plus(TOKEN_WITHIN));
                Due::Ask
            }
            State::Asked(until) if now >= until => Due::End,
            _ => Due::Nothing,
        }
    }

    /// A token was shown; says whether it was asked for.
    pub(super) fn shown(&mut self, now: Tick) -> bool {
        let asked = matches!(self.0, State::Asked(until) if now < until);
        if asked {
            self.0 = State::Reviewing;
        }
        asked
    }

    /// Says why the stream is to end, if it is.
    pub(super) fn reviewed(&mut self, now: Tick, verdict: Verdict) -> Option<Refusal> {
        let wait = match verdict {
            Verdict::Good => AUTHENTICATE_EVERY,
            Verdict::NotMade => REVIEW_AGAIN,
            Verdict::Denied(refusal) => return Some(refusal),
        };
        if matches!(self.0, State::Reviewing) {
            self.0 = State::Good(now.plus(wait));
        }
        None
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        match self.0 {
            State::Good(at) | State::Asked(at) => Some(at),
            State::Reviewing => None,
        }
    }
}
