//! The period of a rate: a unit of time or a whole number of them, which divides a day.

use super::QuantityError;

/// A day in milliseconds, the smallest unit.
const DAY: u64 = 86_400_000;

/// The units, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", DAY)];

/// A period as a regular expression.
pub(super) const PATTERN: &str = "([1-9][0-9]{0,7})?(ms|s|min|h|d)";

/// The number of times that `period`, which is part of the rate `rate`, is contained in a day.
pub(super) fn per_day(rate: &str, period: &str) -> Result<u64, QuantityError> {
    let text = || rate.to_owned();
    let end = period.find(|c: char| !c.is_ascii_digit()).unwrap_or(period.len());
    let (count, unit) = period.split_at(end);
    if unit == "m" {
        return Err(QuantityError::PeriodM { text: text() });
    }
    let invalid = || QuantityError::Period { text: text(), period: period.to_owned() };
    let &(_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
    let count = match count {
        "" => 1,
        _ if count.starts_with('0') => return Err(invalid()),
        // More than a day in any unit.
        _ if count.len() > 8 => u64::MAX / DAY,
        _ => count.parse().map_err(|_| invalid())?,
    };
    let period_ms = count * unit_ms;
    if period_ms > DAY || !DAY.is_multiple_of(period_ms) {
        let instead = nearest(count, unit, unit_ms);
        return Err(QuantityError::Uneven { text: text(), period: period.to_owned(), instead });
    }
    Ok(DAY / period_ms)
}

/// The nearest shorter and longer periods that divide a day, in the same unit.
fn nearest(count: u64, unit: &str, unit_ms: u64) -> String {
    let max = DAY / unit_ms;
    let divides = |count: &u64| max.is_multiple_of(*count);
    let below = (1..count.min(max + 1)).rev().find(divides);
    let above = (count + 1..=max).find(divides);
    match (below, above) {
        (Some(below), Some(above)) => format!("{below}{unit} or {above}{unit}"),
        (Some(only), None) | (None, Some(only)) => format!("{only}{unit}"),
        (None, None) => "1d".to_owned(),
    }
}

/// A CEL expression for the milliseconds in the period of the rate `self`. Eight digits times a day fit into its 64
/// bits; a period without digits is one unit.
pub(super) fn cel_milliseconds() -> String {
    let length = UNITS.iter().rev().fold(String::new(), |rest, (unit, ms)| {
        if rest.is_empty() { ms.to_string() } else { format!("self.endsWith('{unit}') ? {ms} : {rest}") }
    });
    let digits = "self.split('/')[1].split('m')[0].split('s')[0].split('h')[0].split('d')[0]";
    format!("(self.matches('/[a-z]') ? 1 : int({digits})) * ({length})")
}

/// A CEL expression for whether the period of the rate `self` divides a day.
pub(super) fn cel_even() -> String {
    format!("{DAY} % ({}) == 0", cel_milliseconds())
}
