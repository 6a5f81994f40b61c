//! How much of each parent's rate is promised to the classes below it.

use std::collections::BTreeMap;
use std::fmt;

use api::Rate;

/// A node of the tree that classes are below: a pool's root or a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parent<'a> {
    Pool(&'a str),
    Class(&'a str),
}

/// The classes directly under one parent, with the bytes a day that each is assured.
#[derive(Debug, Default)]
pub(crate) struct Commitment<'a> {
    rates: BTreeMap<&'a str, u64>,
    // Stored, not computed, so that trying a thousand classes under one parent stays cheap.
    sum: u128,
}

/// The commitments of all parents.
#[derive(Debug, Default)]
pub(crate) struct Budget<'a> {
    commitments: BTreeMap<Parent<'a>, Commitment<'a>>,
}

impl<'a> Budget<'a> {
    /// Records that a class under `parent` is assured `rate`, in bytes a day.
    pub(crate) fn insert(&mut self, parent: Parent<'a>, class: &'a str, rate: u64) {
        let commitment = self.commitments.entry(parent).or_default();
        let before = commitment.rates.insert(class, rate).unwrap_or_default();
        commitment.sum = commitment.sum - u128::from(before) + u128::from(rate);
    }

    pub(crate) fn remove(&mut self, parent: Parent<'a>, class: &str) {
        if let Some(commitment) = self.commitments.get_mut(&parent) {
            commitment.sum -= u128::from(commitment.rates.remove(class).unwrap_or_default());
        }
    }

    /// The commitment of `parent`, if there ever was a class below it.
    pub(crate) fn get(&self, parent: Parent<'a>) -> Option<&Commitment<'a>> {
        self.commitments.get(&parent)
    }
}

impl<'a> Commitment<'a> {
    /// The names of the classes, in ascending order.
    pub(crate) fn classes(&self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.rates.keys().copied()
    }

    /// What all classes are assured together, in bytes a day.
    pub(crate) fn sum(&self) -> u64 {
        saturated(self.sum)
    }

    /// The same without one class.
    pub(crate) fn sum_without(&self, class: &str) -> u64 {
        saturated(self.sum - u128::from(self.rates.get(class).copied().unwrap_or_default()))
    }

    /// The classes with a rate except one, the largest first: "gold 16Ki/s, bronze 4Ki/s".
    pub(crate) fn list_without(&self, class: &str) -> String {
        let mut assured: Vec<_> =
            self.rates.iter().filter(|(name, rate)| **rate > 0 && **name != class).collect();
        assured.sort_by_key(|(name, rate)| (std::cmp::Reverse(**rate), **name));
        let listed = assured.iter().take(LISTED).map(|(name, rate)| format!("{name} {}", rounded(**rate)));
        let mut listed: Vec<_> = listed.collect();
        if assured.len() > LISTED {
            listed.push(format!("{} more", assured.len() - LISTED));
        }
        listed.join(", ")
    }
}

/// How many classes a message names; the rest is counted.
const LISTED: usize = 4;

// A sum of more than 64 bits exceeds every limit, and is only compared and printed.
fn saturated(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Bytes a day for a message. A large figure is rounded down to whole bytes a second, since
/// 1123199999/d would be unreadable; rounded down, it is still within the limit.
pub(crate) fn rounded(bytes_per_day: u64) -> Rate {
    let rate = Rate::from_bytes_per_day(bytes_per_day);
    if rate.to_string().ends_with("/d") && bytes_per_day > SECONDS_PER_DAY {
        return Rate::from_bytes_per_day(bytes_per_day - bytes_per_day % SECONDS_PER_DAY);
    }
    rate
}

const SECONDS_PER_DAY: u64 = 86_400;

impl fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(name) => write!(f, "pool {name}"),
            Self::Class(name) => write!(f, "class {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_follows_what_is_inserted_and_removed() {
        let mut budget = Budget::default();
        let pool = Parent::Pool("default");
        budget.insert(pool, "gold", 86_400 * 4);
        budget.insert(pool, "bronze", 86_400);
        budget.insert(pool, "gold", 86_400 * 2);
        budget.insert(pool, "idle", 0);
        let commitment = budget.get(pool).expect("three classes were inserted");
        assert_eq!((commitment.sum(), commitment.sum_without("gold")), (86_400 * 3, 86_400));
        assert_eq!(commitment.list_without("idle"), "gold 2/s, bronze 1/s");
        budget.remove(pool, "gold");
        assert_eq!(budget.get(pool).map(Commitment::sum), Some(86_400));
    }

    #[test]
    fn a_sum_over_64_bits_does_not_wrap() {
        let mut budget = Budget::default();
        budget.insert(Parent::Class("paid"), "a", u64::MAX);
        budget.insert(Parent::Class("paid"), "b", u64::MAX);
        assert_eq!(budget.get(Parent::Class("paid")).map(Commitment::sum), Some(u64::MAX));
    }

    #[test]
    fn large_figures_are_rounded_down_to_whole_bytes_a_second() {
        assert_eq!(rounded(86_400 * 75_000 + 17).to_string(), "75k/s");
        assert_eq!(rounded(25).to_string(), "25/d");
    }
}
