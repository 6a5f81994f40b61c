//! Who holds how much of whose assured rate.

use std::collections::BTreeMap;
use std::fmt;

use api::Rate;

/// What rates are held of: a pool's root or a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder<'a> {
    Pool(&'a str),
    Class(&'a str),
}

/// The classes directly under one parent, with the bytes a day that each is assured.
#[derive(Debug, Default)]
pub(crate) struct Commitment<'a> {
    by: BTreeMap<&'a str, u64>,
    // Kept, not computed: trying a thousand classes under one parent stays cheap.
    sum: u128,
}

/// All parents.
#[derive(Debug, Default)]
pub(crate) struct Budget<'a> {
    held: BTreeMap<Holder<'a>, Commitment<'a>>,
}

impl<'a> Budget<'a> {
    /// Notes that a class under `holder` is assured `rate`.
    pub(crate) fn enter(&mut self, holder: Holder<'a>, class: &'a str, rate: u64) {
        let held = self.held.entry(holder).or_default();
        let before = held.by.insert(class, rate).unwrap_or_default();
        held.sum = held.sum - u128::from(before) + u128::from(rate);
    }

    /// Forgets a class under `holder`.
    pub(crate) fn strike(&mut self, holder: Holder<'a>, class: &str) {
        if let Some(held) = self.held.get_mut(&holder) {
            held.sum -= u128::from(held.by.remove(class).unwrap_or_default());
        }
    }

    /// The classes under `holder`, if there were ever any.
    pub(crate) fn of(&self, holder: Holder<'a>) -> Option<&Commitment<'a>> {
        self.held.get(&holder)
    }
}

impl<'a> Commitment<'a> {
    /// Names of the classes, ascending.
    pub(crate) fn classes(&self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.by.keys().copied()
    }

    /// What all of them are assured together, in bytes a day.
    pub(crate) fn sum(&self) -> u64 {
        saturated(self.sum)
    }

    /// The same without one of them.
    pub(crate) fn sum_without(&self, class: &str) -> u64 {
        saturated(self.sum - u128::from(self.by.get(class).copied().unwrap_or_default()))
    }

    /// Those that are assured something, the largest first, without one: "gold 16Ki/s, bronze 4Ki/s".
    pub(crate) fn listed_without(&self, class: &str) -> String {
        let mut holders: Vec<_> =
            self.by.iter().filter(|(name, rate)| **rate > 0 && **name != class).collect();
        holders.sort_by_key(|(name, rate)| (std::cmp::Reverse(**rate), **name));
        let listed = holders.iter().take(LISTED).map(|(name, rate)| format!("{name} {}", shown(**rate)));
        let mut listed: Vec<_> = listed.collect();
        if holders.len() > LISTED {
            listed.push(format!("{} more", holders.len() - LISTED));
        }
        listed.join(", ")
    }
}

/// How many classes a message names before it counts the rest.
const LISTED: usize = 4;

// A sum past 64 bits is past every limit; it is only compared and shown.
fn saturated(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Bytes a day as a person reads them. What is no whole number of bytes a second is rounded down to one when
/// it is large: nobody writes 1123199999/d, and what is shown as a limit stays within it.
pub(crate) fn shown(bytes_per_day: u64) -> Rate {
    let rate = Rate::from_bytes_per_day(bytes_per_day);
    if rate.to_string().ends_with("/d") && bytes_per_day > SECONDS_PER_DAY {
        return Rate::from_bytes_per_day(bytes_per_day - bytes_per_day % SECONDS_PER_DAY);
    }
    rate
}

const SECONDS_PER_DAY: u64 = 86_400;

impl fmt::Display for Holder<'_> {
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
    fn a_sum_follows_what_is_entered_and_struck() {
        let mut ledger = Budget::default();
        let pool = Holder::Pool("default");
        ledger.enter(pool, "gold", 86_400 * 4);
        ledger.enter(pool, "bronze", 86_400);
        ledger.enter(pool, "gold", 86_400 * 2);
        ledger.enter(pool, "idle", 0);
        let held = ledger.of(pool).expect("three classes were entered");
        assert_eq!((held.sum(), held.sum_without("gold")), (86_400 * 3, 86_400));
        assert_eq!(held.listed_without("idle"), "gold 2/s, bronze 1/s");
        ledger.strike(pool, "gold");
        assert_eq!(ledger.of(pool).map(Commitment::sum), Some(86_400));
    }

    #[test]
    fn a_sum_past_all_limits_does_not_wrap() {
        let mut ledger = Budget::default();
        ledger.enter(Holder::Class("paid"), "a", u64::MAX);
        ledger.enter(Holder::Class("paid"), "b", u64::MAX);
        assert_eq!(ledger.of(Holder::Class("paid")).map(Commitment::sum), Some(u64::MAX));
    }

    #[test]
    fn large_odd_figures_are_shown_rounded_down_to_a_second() {
        assert_eq!(shown(86_400 * 75_000 + 17).to_string(), "75k/s");
        assert_eq!(shown(25).to_string(), "25/d");
    }
}
