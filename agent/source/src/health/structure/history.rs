//! The last samples of a source, and where in them others may come from.

use super::bits::{self, WINDOW};
use crate::memory::{MapError, Memory};

/// Samples that are remembered: a window is compared with one that began 65,536 samples before it, or a few more.
const REMEMBERED: usize = 20 * WINDOW;
/// Samples that a piece has: the anchor and two that follow it.
const PIECE: usize = 3;
/// The same as a count.
const ALL: u32 = 3;
/// Where pieces began, by what follows the anchor: about 256 begin in 65,536 samples.
const SLOTS: usize = 1024;
/// Bytes of a slot.
const SLOT: usize = 4;
/// Pieces of one window that are used, which bounds the time where one value is common.
const MOST_PIECES: usize = 64;
/// After so many windows another value becomes the anchor if fewer than [`FEWEST_PIECES`] began with it.
const ANCHORED: u32 = 4;
const FEWEST_PIECES: usize = 20;

/// The last samples of a source, with an index of short pieces that begin with one value, the anchor: where one of them
/// comes again, samples may repeat.
pub(in crate::health) struct History {
    /// A ring. The sample at position p is at p modulo its length.
    samples: Memory,
    slots: Memory,
    /// The position behind the last sample: a multiple of [`WINDOW`].
    end: u64,
    /// `None` until there is a value that comes often enough.
    anchor: Option<u8>,
    /// Windows and pieces since the anchor was chosen or confirmed.
    windows: u32,
    pieces: usize,
}

/// A piece of some samples that was in a history before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::health) struct Recurrence {
    /// Its offset in the samples.
    pub(in crate::health) at: usize,
    /// Its position in the history.
    pub(in crate::health) before: u64,
}

impl History {
    pub(in crate::health) fn new() -> Result<Self, MapError> {
        Ok(Self {
            samples: Memory::map(REMEMBERED)?,
            slots: Memory::map(SLOTS * SLOT)?,
            end: 0,
            anchor: None,
            windows: 0,
            pieces: 0,
        })
    }

    pub(in crate::health) fn try_clone(&self) -> Result<Self, MapError> {
        Ok(Self { samples: self.samples.try_clone()?, slots: self.slots.try_clone()?, ..*self })
    }

    pub(in crate::health) fn end(&self) -> u64 {
        self.end
    }

    pub(in crate::health) fn clear(&mut self) {
        zeroize::Zeroize::zeroize(self.samples.bytes_mut());
        zeroize::Zeroize::zeroize(self.slots.bytes_mut());
        (self.end, self.anchor, self.windows, self.pieces) = (0, None, 0, 0);
    }

    /// Remembers a window.
    #[inline(always)]
    pub(in crate::health) fn push(&mut self, window: &[u8]) {
        debug_assert_eq!(window.len(), WINDOW, "the ring has whole windows");
        let at = place(self.end);
        self.samples.bytes_mut()[at..at + WINDOW].copy_from_slice(window);
        self.end += WINDOW as u64;
    }

    /// Remembers where the pieces of the last window begin.
    pub(in crate::health) fn index(&mut self) {
        let start = self.end.saturating_sub(WINDOW as u64);
        let from = place(start);
        let window = &self.samples.bytes()[from..from + WINDOW];
        // The first sample: it is a value that comes.
        let anchor = *self.anchor.get_or_insert(window[0]);
        let mut pieces = 0;
        for at in anchors(anchor, window).take(MOST_PIECES) {
            let slot = slot(&window[at..]);
            let position = low(start + at as u64);
            self.slots.bytes_mut()[slot..slot + SLOT].copy_from_slice(&position.to_le_bytes());
            pieces += 1;
        }
        (self.windows, self.pieces) = (self.windows + 1, self.pieces + pieces);
        if self.windows == ANCHORED {
            self.anchor = self.anchor.filter(|_| self.pieces >= FEWEST_PIECES);
            (self.windows, self.pieces) = (0, 0);
        }
    }

    /// Calls `found` with each piece of the window that is remembered, the last time that it came.
    #[inline(always)]
    pub(in crate::health) fn search(&self, window: &[u8], mut found: impl FnMut(Recurrence)) {
        let Some(anchor) = self.anchor else { return };
        for at in anchors(anchor, window).take(MOST_PIECES) {
            let slot = slot(&window[at..]);
            let stored = self.slots.bytes()[slot..slot + SLOT].try_into().map_or(0, u32::from_le_bytes);
            let ago = u64::from(low(self.end).wrapping_sub(stored));
            let Some(before) = self.end.checked_sub(ago) else { continue };
            if self.remembers(before, PIECE) && self.equal(before, &window[at..at + PIECE]) == ALL {
                found(Recurrence { at, before });
            }
        }
    }

    pub(in crate::health) fn remembers(&self, position: u64, count: usize) -> bool {
        position + count as u64 <= self.end && position + REMEMBERED as u64 >= self.end
    }

    /// How many of the samples equal those from this position on, which must be remembered.
    #[inline(always)]
    pub(in crate::health) fn equal(&self, position: u64, samples: &[u8]) -> u32 {
        let ring = self.samples.bytes();
        let from = &ring[place(position)..REMEMBERED];
        let (front, rest) = samples.split_at(from.len().min(samples.len()));
        bits::equal(front, from) + bits::equal(rest, ring)
    }

    /// How many samples of the window that begins at this position equal those from a position of the other history on;
    /// both must be remembered.
    pub(in crate::health) fn equal_in(&self, position: u64, other: &Self, other_position: u64) -> u32 {
        let ring = self.samples.bytes();
        let from = place(position);
        let front = WINDOW.min(REMEMBERED - from);
        other.equal(other_position, &ring[from..from + front])
            + other.equal(other_position + front as u64, &ring[..WINDOW - front])
    }
}

/// The rest of a position follows from where the end is.
#[expect(clippy::cast_possible_truncation, reason = "the rest is known")]
fn low(position: u64) -> u32 {
    position as u32
}

#[expect(clippy::cast_possible_truncation, reason = "it is less than the length of the ring")]
fn place(position: u64) -> usize {
    (position % REMEMBERED as u64) as usize
}

/// Where pieces begin.
#[inline(always)]
fn anchors(anchor: u8, window: &[u8]) -> impl Iterator<Item = usize> {
    let candidates = &window[..window.len() - (PIECE - 1)];
    memchr::memchr_iter(anchor, candidates)
}

/// The slot of a piece, by the samples behind the anchor.
fn slot(piece: &[u8]) -> usize {
    let key = u32::from(piece[1]) << 8 | u32::from(piece[2]);
    // Fibonacci hashing, to ten bits.
    (key.wrapping_mul(0x9e37_79b1) >> 22) as usize * SLOT
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples(count: usize) -> Vec<u8> {
        let mut rng = soak::Rng::new(3);
        (0..count).map(|_| rng.roll().to_le_bytes()[0]).collect()
    }

    #[test]
    fn a_window_is_compared_with_any_position_that_is_remembered() {
        let all = samples(45 * WINDOW);
        let mut history = History::new().unwrap();
        for window in all.chunks(WINDOW) {
            history.push(window);
        }
        let end = all.len();
        for ago in [WINDOW, WINDOW + 1, 65_536, 65_537, REMEMBERED - 1, REMEMBERED] {
            let from = end - ago;
            assert!(history.remembers(from as u64, WINDOW));
            assert_eq!(history.equal(from as u64, &all[from..from + WINDOW]), 4096);
            assert!(history.equal(from as u64, &all[..WINDOW]) < 100);
            assert_eq!(history.equal_in(from as u64, &history, from as u64), 4096);
        }
        assert!(!history.remembers((end - REMEMBERED) as u64 - 1, WINDOW));
        assert!(!history.remembers(end as u64 - 1, 2));
    }

    #[test]
    fn pieces_that_come_again_are_found_where_they_were() {
        let all = samples(20 * WINDOW);
        let mut history = History::new().unwrap();
        for window in all.chunks(WINDOW).take(17) {
            history.push(window);
            history.index();
        }
        for lag in [65_536, 40_001, 5000] {
            let from = 17 * WINDOW - lag;
            let (mut right, mut wrong) = (0, 0);
            history.search(&all[from..from + WINDOW], |found| {
                if found.before == (from + found.at) as u64 { right += 1 } else { wrong += 1 }
            });
            assert!(right >= 4 && wrong <= 4, "{lag}: {right} {wrong}");
        }
    }

    #[test]
    fn another_anchor_is_chosen_when_its_value_no_longer_comes() {
        let mut history = History::new().unwrap();
        let first: Vec<u8> = samples(WINDOW).iter().map(|sample| sample | 1).collect();
        history.push(&first);
        history.index();
        let even: Vec<u8> = samples(WINDOW).iter().map(|sample| sample & !1).collect();
        for _ in 0..2 * ANCHORED {
            history.push(&even);
            history.index();
        }
        let mut count = 0;
        history.search(&even, |_| count += 1);
        assert!(count > 0);
    }
}
