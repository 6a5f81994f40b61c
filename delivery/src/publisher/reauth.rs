//! Whether the agent is still who it was.

use super::{AUTHENTICATE_EVERY, REVIEW_AGAIN, TOKEN_WITHIN};
use crate::message::Nack;
use clock::Tick;

/// What came of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// The token is good, and of the same pod on the same node.
    Good,
    /// It is not.
    Denied(Nack),
    /// Nobody could say. That is no refusal: the stream stays.
    NotMade,
}

#[derive(Debug)]
pub(super) struct Reauth(ReauthState);

#[derive(Clone, Copy, Debug)]
enum ReauthState {
    /// Good until then.
    Good(Tick),
    /// Asked for; to be shown until then.
    Asked(Tick),
    /// Shown, and under review.
    Reviewing,
}

pub(super) enum ReauthDue {
    Nothing,
    Ask,
    End,
}

impl Reauth {
    pub(super) fn new(now: Tick) -> Self {
        Self(ReauthState::Good(now + AUTHENTICATE_EVERY))
    }

    pub(super) fn due(&mut self, now: Tick) -> ReauthDue {
        match self.0 {
            ReauthState::Good(until) if now >= until => {
                self.0 = ReauthState::Asked(now + TOKEN_WITHIN);
                ReauthDue::Ask
            }
            ReauthState::Asked(until) if now >= until => ReauthDue::End,
            _ => ReauthDue::Nothing,
        }
    }

    /// A token was shown; says whether it was asked for.
    pub(super) fn shown(&mut self, now: Tick) -> bool {
        let asked = matches!(self.0, ReauthState::Asked(until) if now < until);
        if asked {
            self.0 = ReauthState::Reviewing;
        }
        asked
    }

    /// Says why the stream is to end, if it is.
    pub(super) fn reviewed(&mut self, now: Tick, verdict: ReviewOutcome) -> Option<Nack> {
        let wait = match verdict {
            ReviewOutcome::Good => AUTHENTICATE_EVERY,
            ReviewOutcome::NotMade => REVIEW_AGAIN,
            ReviewOutcome::Denied(refusal) => return Some(refusal),
        };
        if matches!(self.0, ReauthState::Reviewing) {
            self.0 = ReauthState::Good(now + wait);
        }
        None
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        match self.0 {
            ReauthState::Good(at) | ReauthState::Asked(at) => Some(at),
            ReauthState::Reviewing => None,
        }
    }
}
