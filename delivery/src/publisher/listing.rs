//! Whether the controller has looked again since an agent came with something newer.

use super::LIST_EVERY;
use crate::tick::Tick;

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Listing {
    /// Not since the agent subscribed.
    #[default]
    Wanted,
    /// Asked for at that time.
    Asked(Tick),
    /// Done: what is published is what there is.
    Done,
}

impl Listing {
    /// Asks, if it is time to; says whether it did.
    pub(super) fn ask(&mut self, now: Tick) -> bool {
        let due = match *self {
            Self::Wanted => true,
            Self::Asked(at) => now >= at.plus(LIST_EVERY),
            Self::Done => false,
        };
        if due {
            *self = Self::Asked(now);
        }
        due
    }

    pub(super) fn done(&mut self) {
        // One that nobody asked for may be older than what the agent has seen.
        if matches!(self, Self::Asked(_)) {
            *self = Self::Done;
        }
    }

    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }

    pub(super) fn wake_at(self) -> Option<Tick> {
        match self {
            Self::Asked(at) => Some(at.plus(LIST_EVERY)),
            Self::Wanted | Self::Done => None,
        }
    }
}
