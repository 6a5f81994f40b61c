//! A number of bytes in a time.

use super::QuantityError;
use super::amount::{self, Reading, spelled};
use super::period;
use crate::schema::rule;

/// A number of bytes in a time, as `64Ki/s`, `64/min` or `1M/10s`: SIZE/PERIOD, where the period is one of
/// `ms s min h d` or a whole number of them, and divides a day.
///
/// So every rate is a whole number of bytes a day, and sums and comparisons are exact. At least one byte a
/// day and at most [`Rate::MAX`].
#[derive(Clone)]
pub struct Rate {
    value: u64,
    text: Box<str>,
}

/// The period units that [`Rate::from_bytes_per_day`] shows, with how many of each make a day.
const SHOWN: [(&str, u64); 4] = [("s", 86_400), ("min", 1_440), ("h", 24), ("d", 1)];

impl Rate {
    /// The highest rate in bytes a day: 10 GB/s.
    pub const MAX: u64 = 864_000_000_000_000;

    /// The rate in bytes a day, which is always whole.
    pub const fn bytes_per_day(&self) -> u64 {
        self.value
    }

    /// A number of bytes a day in its nicest spelling: `64Ki/s`, `64/min`, `1/h`. Zero and what is over
    /// [`Rate::MAX`] are shown too, for sums in messages, but are never read back.
    pub fn from_bytes_per_day(bytes: u64) -> Self {
        let (unit, per_day) =
            SHOWN.into_iter().find(|(_, per_day)| bytes.is_multiple_of(*per_day)).unwrap_or(("d", 1));
        Self { value: bytes, text: format!("{}/{unit}", spelled(bytes / per_day)).into() }
    }
}

super::written!(Rate, u64, parse, schema());

fn parse(text: &str) -> Result<u64, QuantityError> {
    let most = "10G/s";
    let reading = Reading { whole: text, rate: true, most, hint: "write a rate as 64Ki/s or 64/min" };
    reading.check_characters()?;
    let (size, period) = text.split_once('/').map_or((text, None), |(size, period)| (size, Some(period)));
    let bytes = reading.bytes(size)?;
    let period = period.filter(|period| !period.is_empty());
    let period = period.ok_or_else(|| QuantityError::NoPeriod { text: size.to_owned() })?;
    let per_day = period::per_day(text, period)?;
    bytes
        .checked_mul(per_day)
        .filter(|rate| *rate <= Rate::MAX)
        .ok_or_else(|| QuantityError::TooLarge { text: text.to_owned(), most })
}

/// The regular expression of the schema, by which a rate is known from other strings.
pub(crate) fn pattern() -> String {
    format!("^{}/{}$", amount::PATTERN, period::PATTERN)
}

fn schema() -> schemars::Schema {
    // Where the pattern already failed, its rules stay silent.
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
            rule(&even, "the period must divide a day, as 1s, 10s, 15min or 6h do and 7s does not"),
            rule(&low, "a rate is at most 10G/s"),
        ],
    })
}
