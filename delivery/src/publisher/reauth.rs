//! Reauthentication: when an agent must send its token again.

use crate::message::Nack;
use clock::{Span, Tick};

/// The time after which an agent must send its token again.
pub const REAUTH_INTERVAL: Span = Span::seconds(300);
/// The time within which an agent must send a requested token.
pub const TOKEN_TIMEOUT: Span = Span::seconds(30);
/// The time after which a token is requested again if it could not be reviewed.
pub const REVIEW_RETRY_INTERVAL: Span = Span::seconds(15);

/// The result of a token review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// The token is valid, and belongs to the same pod on the same node.
    Accepted,
    Denied(Nack),
    /// The review could not be made. The stream continues.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Reauth(ReauthState);

#[derive(Clone, Copy, Debug)]
enum ReauthState {
    /// Until then.
    Valid(Tick),
    /// The token must be received until then.
    Requested(Tick),
    Reviewing,
}

pub(super) enum ReauthDue {
    Nothing,
    RequestToken,
    End,
}

impl Reauth {
    pub(super) fn new(now: Tick) -> Self {
        Self(ReauthState::Valid(now + REAUTH_INTERVAL))
    }

    pub(super) fn due(&mut self, now: Tick) -> ReauthDue {
        match self.0 {
            ReauthState::Valid(until) if now >= until => {
                self.0 = ReauthState::Requested(now + TOKEN_TIMEOUT);
                ReauthDue::RequestToken
            }
            ReauthState::Requested(until) if now >= until => ReauthDue::End,
            _ => ReauthDue::Nothing,
        }
    }

    /// Handles a token. Returns whether it was requested.
    pub(super) fn token_received(&mut self, now: Tick) -> bool {
        let requested = matches!(self.0, ReauthState::Requested(until) if now < until);
        if requested {
            self.0 = ReauthState::Reviewing;
        }
        requested
    }

    /// Handles the result of a review. Returns why the stream must end, if it must.
    pub(super) fn reviewed(&mut self, now: Tick, outcome: ReviewOutcome) -> Option<Nack> {
        let wait = match outcome {
            ReviewOutcome::Accepted => REAUTH_INTERVAL,
            ReviewOutcome::Unavailable => REVIEW_RETRY_INTERVAL,
            ReviewOutcome::Denied(refusal) => return Some(refusal),
        };
        if matches!(self.0, ReauthState::Reviewing) {
            self.0 = ReauthState::Valid(now + wait);
        }
        None
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        match self.0 {
            ReauthState::Valid(at) | ReauthState::Requested(at) => Some(at),
            ReauthState::Reviewing => None,
        }
    }
}
