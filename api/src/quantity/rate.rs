//! Rates: a number of bytes per period.

use super::QuantityError;
use super::amount::{self, Input, shortest_form};
use super::period;
use crate::schema::rule;

/// A number of bytes per period, such as `64Ki/s`, `64/min` or `1M/10s`. The period is `ms`, `s`, `min`, `h` or `d`,
/// or a whole number of them, and divides a day.
///
/// Therefore each rate is a whole number of bytes per day, and sums and comparisons are exact. From one byte per day
/// to [`Rate::MAX`].
#[derive(Clone)]
pub struct Rate {
    value: u64,
    text: Box<str>,
}

/// The periods that [`Rate::from_bytes_per_day`] uses, with the number of each in a day.
const DISPLAY_PERIODS: [(&str, u64); 4] = [("s", 86_400), ("min", 1_440), ("h", 24), ("d", 1)];

impl Rate {
    /// The maximum, in bytes per day: 10 GB/s.
    pub const MAX: u64 = 864_000_000_000_000;

    /// The rate in bytes per day.
    pub const fn bytes_per_day(&self) -> u64 {
        self.value
    }

    /// A rate in its most readable form, such as `64Ki/s`, `64/min` or `1/h`. Zero and values above [`Rate::MAX`] are
    /// allowed, for sums in messages, but cannot be parsed.
    pub fn from_bytes_per_day(bytes: u64) -> Self {
        let (unit, per_day) = DISPLAY_PERIODS
            .into_iter()
            .find(|(_, per_day)| bytes.is_multiple_of(*per_day))
            .unwrap_or(("d", 1));
        Self { value: bytes, text: format!("{}/{unit}", shortest_form(bytes / per_day)).into() }
    }
}

super::string_quantity::string_quantity!(Rate, u64, parse, schema());

fn parse(text: &str) -> Result<u64, QuantityError> {
    let max = "10G/s";
    let input = Input { text, is_rate: true, max, hint: "write a rate such as 64Ki/s or 64/min" };
    input.check_characters()?;
    let (size, period) = text.split_once('/').map_or((text, None), |(size, period)| (size, Some(period)));
    let bytes = input.bytes(size)?;
    let period = period.filter(|period| !period.is_empty());
    let period = period.ok_or_else(|| QuantityError::NoPeriod { text: size.to_owned() })?;
    let per_day = period::per_day(text, period)?;
    bytes
        .checked_mul(per_day)
        .filter(|rate| *rate <= Rate::MAX)
        .ok_or_else(|| QuantityError::TooLarge { text: text.to_owned(), max })
}

/// The pattern in the schema, which identifies rates.
pub(crate) fn pattern() -> String {
    format!("^{}/{}$", amount::PATTERN, period::PATTERN)
}

fn schema() -> schemars::Schema {
    // The rules report nothing that the pattern already reports.
    let fits = |condition: String| format!("!self.matches('{}') || {condition}", pattern());
    let even = fits(period::cel_even());
    // 10^7 bytes a millisecond are 10 GB/s.
    let low =
        fits(format!("{} <= 10000000.0 * double({})", amount::cel_bytes("/"), period::cel_milliseconds()));
    schemars::json_schema!({
        "type": "string",
        "maxLength": 32,
        "pattern": pattern(),
        "x-kubernetes-validations": [
            rule(&even, "the period must divide a day, such as 1s, 10s, 15min or 6h"),
            rule(&low, "a rate is at most 10G/s"),
        ],
    })
}
