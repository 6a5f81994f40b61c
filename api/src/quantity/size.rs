//! Sizes: a number of bytes.

use super::QuantityError;
use super::amount::{Input, PATTERN, cel_bytes, shortest_form};
use crate::schema::rule;

/// A number of bytes, such as `256`, `4Ki` or `64k`: digits, alone or followed by `k`, `M`, `G`, `Ki`, `Mi` or `Gi`.
///
/// From one byte to [`Size::MAX`].
#[derive(Clone)]
pub struct Size {
    value: u64,
    text: Box<str>,
}

impl Size {
    /// The maximum, 4Gi: a VM cannot be owed more, so more can never be served at once.
    pub const MAX: u64 = 4 << 30;

    pub const fn bytes(&self) -> u64 {
        self.value
    }

    /// A size in its shortest form. Zero and values above [`Size::MAX`] are allowed, for sums in messages, but cannot
    /// be parsed.
    pub fn from_bytes(bytes: u64) -> Self {
        Self { value: bytes, text: shortest_form(bytes).into() }
    }
}

super::string_quantity::string_quantity!(Size, u64, parse, schema());

fn parse(text: &str) -> Result<u64, QuantityError> {
    let max = "4Gi";
    let input = Input { text, is_rate: false, max, hint: "write a size such as 256 or 4Ki" };
    input.check_characters()?;
    if let Some((size, _)) = text.split_once('/') {
        let instead = size.to_owned();
        return Err(QuantityError::RateForSize { text: text.to_owned(), instead });
    }
    let bytes = input.bytes(text)?;
    if bytes > Size::MAX {
        return Err(QuantityError::TooLarge { text: text.to_owned(), max });
    }
    Ok(bytes)
}

/// The pattern in the schema, which identifies sizes.
pub(crate) fn pattern() -> String {
    format!("^{PATTERN}$")
}

fn schema() -> schemars::Schema {
    // The rule reports nothing that the pattern already reports.
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
