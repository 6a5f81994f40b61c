//! A number of bytes.

use super::QuantityError;
use super::amount::{PATTERN, Reading, cel_bytes, spelled};
use crate::schema::rule;

/// A number of bytes, as `256`, `4Ki` or `64k`: digits, alone or followed by one of `k M G Ki Mi Gi`.
///
/// At least one byte and at most [`Size::MAX`].
#[derive(Clone)]
pub struct Size {
    value: u64,
    text: Box<str>,
}

impl Size {
    /// The largest size, 4Gi: what one VM can be owed, so more could never be drawn at once.
    pub const MAX: u64 = 4 << 30;

    /// The number of bytes.
    pub const fn bytes(&self) -> u64 {
        self.value
    }

    /// A number of bytes in its shortest spelling. Zero and what is over [`Size::MAX`] are shown too,
    /// for sums in messages, but are never read back.
    pub fn from_bytes(bytes: u64) -> Self {
        Self { value: bytes, text: spelled(bytes).into() }
    }
}

super::written!(Size, u64, parse, schema());

fn parse(text: &str) -> Result<u64, QuantityError> {
    let most = "4Gi";
    let reading = Reading { whole: text, rate: false, most, hint: "write a size as 256 or 4Ki" };
    reading.check_characters()?;
    if let Some((size, _)) = text.split_once('/') {
        let instead = size.to_owned();
        return Err(QuantityError::RateForSize { text: text.to_owned(), instead });
    }
    let bytes = reading.bytes(text)?;
    if bytes > Size::MAX {
        return Err(QuantityError::TooLarge { text: text.to_owned(), most });
    }
    Ok(bytes)
}

/// The regular expression of the schema, by which a size is known from other strings.
pub(crate) fn pattern() -> String {
    format!("^{PATTERN}$")
}

fn schema() -> schemars::Schema {
    // Where the pattern already failed, the rule stays silent.
    let low = format!("!self.matches('{}') || {} <= 4294967296.0", pattern(), cel_bytes(""));
    schemars::json_schema!({
        "type": "string",
        "maxLength": 24,
        "pattern": pattern(),
        "x-kubernetes-validations": [
            rule(&low, "a size is at most 4Gi"),
        ],
    })
}
