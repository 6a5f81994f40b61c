//! A token bucket that can go into debt.

use crate::units::{MAX_GRANT, Rate, Tick, units};

/// Credit that grows with a rate up to a burst. The bucket is open while its credit is not negative, and a
/// grant is then charged in full, as in `tc`: in every window of length T, at most rate·T + burst + one grant
/// is taken while it is open. A burst of zero works: the bucket opens when its debt is paid.
///
/// Nothing is stored when time passes: `credit` is what was left at `at`, the last charge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: u64,
    burst: i128,
    credit: i128,
    at: Tick,
    /// When it first closed after it was last full.
    empty_since: Option<Tick>,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, burst: u64, now: Tick) -> Self {
        let burst = units(burst);
        Self { rate: rate.0, burst, credit: burst, at: now, empty_since: None }
    }

    /// The credit if the burst were unlimited. A time before the last charge earns nothing.
    fn earned(&self, now: Tick) -> i128 {
        let earned = u128::from(self.rate).wrapping_mul(u128::from(now.since(self.at))); // 64 by 64 bits: fits
        self.credit.saturating_add(i128::try_from(earned).unwrap_or(i128::MAX))
    }

    /// The credit at `now`, in units.
    pub(crate) fn level(&self, now: Tick) -> i128 {
        self.earned(now).min(self.burst)
    }

    pub(crate) fn is_open(&self, now: Tick) -> bool {
        self.credit >= 0 || self.earned(now) >= 0
    }

    /// Takes `cost` units, even if the credit does not suffice.
    pub(crate) fn charge(&mut self, cost: i128, now: Tick) {
        let earned = self.earned(now);
        // A burst smaller than a grant would be full after each wait, so full means at least the credit of one grant.
        if self.empty_since.is_some() && earned >= self.burst.max(units(MAX_GRANT)) {
            self.empty_since = None;
        }
        self.credit = earned.min(self.burst).saturating_sub(cost);
        self.at = self.at.max(now);
        if self.credit < 0 && self.empty_since.is_none() {
            self.empty_since = Some(now);
        }
    }

    /// Sets new parameters from `now` on. Credit that was earned so far was earned at the old rate, debts stay,
    /// and only what exceeds the new burst is lost.
    pub(crate) fn set(&mut self, rate: Rate, burst: u64, now: Tick) {
        let earned = self.level(now);
        self.burst = units(burst);
        self.credit = earned.min(self.burst);
        self.rate = rate.0;
        self.at = self.at.max(now);
    }

    /// Restores the credit of time `at`, up to the burst. Since then it has earned at its rate.
    pub(crate) fn restore(&mut self, credit: i128, at: Tick) {
        self.credit = credit.min(self.burst);
        self.at = at;
        self.empty_since = (credit < 0).then_some(at);
    }

    /// The first instant at which it is open; `None` if that is never, or more than 584 years away.
    pub(crate) fn opens_at(&self) -> Option<Tick> {
        if self.credit >= 0 {
            return Some(self.at);
        }
        let debt = self.credit.unsigned_abs();
        // A debt of up to 213,000 bytes fits into 64 bits, where division is cheap.
        let rate = self.rate.max(1);
        let wait = match u64::try_from(debt) {
            Ok(debt) => Some(debt.div_ceil(rate)),
            Err(_) => u64::try_from(debt.div_ceil(u128::from(rate))).ok(),
        };
        wait.filter(|_| self.rate > 0).and_then(|wait| self.at.0.checked_add(wait)).map(Tick)
    }

    pub(crate) fn empty_since(&self) -> Option<Tick> {
        self.empty_since
    }
}
