//! Guarantees of a supply.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io;

use source::{CONTIGUOUS, DrawError, Supply};

/// Sizes and errors for a test, the same in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// Collects some of the windows of 16 bytes in a stream, chosen by their content: the same bytes are chosen again at any
/// offset.
#[derive(Default)]
struct Windows {
    tail: Vec<u8>,
    chosen: HashSet<u128>,
    repeated: usize,
}

impl Windows {
    fn add(&mut self, bytes: &[u8]) {
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
    let (mut windows, mut rng, mut served) = (Windows::default(), Rng(0x5eed), 0);
    while served < TOTAL {
        let max = 1 + rng.below(3000);
        let outcome_kind = rng.below(8);
        let share = rng.below(100);
        let outcome = supply.with_bytes(max, |bytes| {
            let taken = if outcome_kind < 6 { bytes.len() } else { bytes.len() * share / 100 };
            if outcome_kind == 7 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            windows.add(&bytes[..taken]);
            Ok(taken)
        });
        served += outcome.unwrap_or(0);
    }
    println!("{} windows compared in {served} bytes", windows.chosen.len());
    assert!(windows.chosen.len() > TOTAL / 40);
    assert_eq!(windows.repeated, 0);
}

#[test]
fn bytes_not_taken_are_offered_again() {
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
fn no_draw_gets_more_than_requested_and_a_large_one_gets_something() {
    let mut supply = Supply::kernel().unwrap();
    assert_eq!(supply.with_bytes(0, |bytes| Ok(bytes.len())).unwrap(), 0);
    for _ in 0..10 {
        let taken = supply.with_bytes(1 << 20, |bytes| Ok(bytes.len())).unwrap();
        assert!(taken >= CONTIGUOUS);
    }
    let too_many = supply.with_bytes(10, |bytes| Ok(bytes.len() + 1));
    assert_eq!(too_many.unwrap(), 10);
}

#[test]
fn a_seeded_kernel_is_unlimited() {
    assert_eq!(Supply::kernel().unwrap().level(), u64::MAX);
}
