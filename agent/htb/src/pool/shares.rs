//! The arithmetic of promises.

use crate::units::Rate;

/// The burst of a rate that names none: the larger of 1Ki and what 10 ms bring.
pub fn default_burst(rate: Rate) -> u64 {
    (rate.0 / 8_640_000).max(1024) // a day is 8,640,000 times 10 ms; a fraction of a byte is not missed
}

/// How many members of so much each a rate can promise; no bound where each is promised nothing.
pub fn members_that_fit(rate: Rate, per_vm: Rate) -> u32 {
    let fit = rate.0.checked_div(per_vm.0).unwrap_or(u64::MAX);
    u32::try_from(fit).unwrap_or(u32::MAX)
}

/// `part` of `whole`, scaled to `size` and rounded down. A `whole` of 0 has no parts.
pub(super) fn scale(part: Rate, size: Rate, whole: u128) -> Rate {
    let scaled = u128::from(part.0).saturating_mul(u128::from(size.0)).checked_div(whole).unwrap_or(0);
    Rate(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// What each of `members` is assured of `rate` when all are promised `each` and shrink together.
pub(super) fn shrunk(each: Rate, members: usize, rate: Rate) -> Rate {
    let promised = u128::from(each.0).saturating_mul(members as u128);
    if promised <= u128::from(rate.0) { each } else { scale(each, rate, promised) }
}
