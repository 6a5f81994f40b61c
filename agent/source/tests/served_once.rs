//! What a supply promises to those who draw from it.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io;

use source::{CONTIGUOUS, DrawError, Supply};

/// Sizes and refusals for a test, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// Collects some of the windows of 16 bytes in a stream, chosen by what is in them: wherever the same bytes
/// come again, at any offset, they are chosen again.
#[derive(Default)]
struct Windows {
    tail: Vec<u8>,
    chosen: HashSet<u128>,
    repeated: usize,
}

impl Windows {
    fn see(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        for window in self.tail.windows(16) {
            if window[0].is_multiple_of(32) {
                let fresh = self.chosen.insert(u128::from_ne_bytes(window.try_into().unwrap()));
                self.repeated += usize::from(!fresh);
            }
        }
        self.tail.drain(..self.tail.len().saturating_sub(15));
    }
}

#[test]
fn no_byte_is_served_twice_in_64_mib_of_short_and_refused_writes() {
    const TOTAL: usize = 64 << 20;
    let mut supply = Supply::kernel().unwrap();
    let (mut windows, mut dice, mut served) = (Windows::default(), Dice(0x5eed), 0);
    while served < TOTAL {
        let max = 1 + dice.below(3000);
        let fate = dice.below(8);
        let share = dice.below(100);
        let outcome = supply.with_bytes(max, |bytes| {
            let taken = if fate < 6 { bytes.len() } else { bytes.len() * share / 100 };
            if fate == 7 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            windows.see(&bytes[..taken]);
            Ok(taken)
        });
        served += outcome.unwrap_or(0);
    }
    println!("{} windows looked at in {served} bytes", windows.chosen.len());
    assert!(windows.chosen.len() > TOTAL / 40);
    assert_eq!(windows.repeated, 0);
}

#[test]
fn what_was_not_taken_is_shown_again() {
    let mut supply = Supply::kernel().unwrap();
    let mut first = vec![];
    let taken = supply.with_bytes(64, |bytes| {
        first.extend(bytes);
        Ok(20)
    });
    assert_eq!(taken.unwrap(), 20);
    let refused = supply.with_bytes(44, |bytes| {
        assert_eq!(bytes, &first[20..]);
        Err(io::ErrorKind::WouldBlock.into())
    });
    assert!(matches!(refused, Err(DrawError::Take(error)) if error.kind() == io::ErrorKind::WouldBlock));
    let again = supply.with_bytes(44, |bytes| {
        assert_eq!(bytes, &first[20..]);
        Ok(44)
    });
    assert_eq!(again.unwrap(), 44);
}

#[test]
fn a_reply_gets_its_bytes_in_one_piece() {
    let mut supply = Supply::kernel().unwrap();
    for max in (1..=CONTIGUOUS).chain((1..=CONTIGUOUS).rev()) {
        let taken = supply.with_bytes(max, |bytes| Ok(bytes.len()));
        assert_eq!(taken.unwrap(), max);
    }
}

#[test]
fn nobody_gets_more_than_asked_and_a_large_wish_gets_something() {
    let mut supply = Supply::kernel().unwrap();
    assert_eq!(supply.with_bytes(0, |bytes| Ok(bytes.len())).unwrap(), 0);
    for _ in 0..10 {
        let taken = supply.with_bytes(1 << 20, |bytes| Ok(bytes.len())).unwrap();
        assert!(taken >= CONTIGUOUS);
    }
    let boasting = supply.with_bytes(10, |bytes| Ok(bytes.len() + 1));
    assert_eq!(boasting.unwrap(), 10);
}

#[test]
fn a_running_kernel_gives_as_much_as_anybody_wants() {
    assert_eq!(Supply::kernel().unwrap().level(), u64::MAX);
}
