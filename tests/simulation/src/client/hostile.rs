//! Tenants that mean harm, or are broken.

use htb::Tick;
use soak::Rng;

use super::{Peer, Scope};
use crate::violation::MILLISECOND;

/// What one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malice {
    /// Asks as fast as its socket takes it, and reads nothing.
    Flood,
    /// Says what is no EGD.
    Garbage,
    /// Begins a command and never ends it.
    Half,
    /// Connects and goes.
    Churn,
    /// Asks for the cheap answers, over and over, and reads nothing.
    Cheap,
}

impl Malice {
    pub(crate) const ALL: [Self; 5] = [Self::Flood, Self::Garbage, Self::Half, Self::Churn, Self::Cheap];
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) peer: Peer,
    malice: Malice,
    dice: Rng,
    next: Tick,
}

impl Hostile {
    pub(crate) fn new(peer: Peer, malice: Malice, dice: Rng, now: Tick) -> Self {
        Self { peer, malice, dice, next: now }
    }

    pub(super) fn next(&self) -> Tick {
        self.next
    }

    pub(super) fn act(&mut self, scope: &Scope<'_>) -> bool {
        if self.next > scope.now {
            return false;
        }
        self.next = scope.now.after((10 + self.dice.below(90)) * MILLISECOND);
        if scope.closing {
            self.peer.hang_up();
            return false;
        }
        if self.peer.wire.is_none() || self.malice == Malice::Churn {
            self.peer.connect();
        }
        let words = self.words();
        if self.peer.wire.as_ref().is_some_and(|wire| wire.send(&words).is_none()) {
            self.peer.hang_up();
        }
        true
    }

    fn words(&mut self) -> Vec<u8> {
        match self.malice {
            Malice::Flood => [2, 255].repeat(1000),
            Malice::Garbage => (0..=self.dice.below(20)).map(|_| self.dice.roll().to_le_bytes()[0]).collect(),
            Malice::Half => vec![if self.dice.once_in(2) { 2 } else { 3 }],
            Malice::Churn => vec![2, 64],
            Malice::Cheap => [0, 4, 1, 0].repeat(200),
        }
    }
}
