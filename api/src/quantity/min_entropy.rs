//! The assessed min-entropy of a noise source.

use super::QuantityError;

/// The assessed min-entropy of a noise source in bits per byte: a decimal string from `"0.1"` to `"8"` with at most
/// one decimal place. It is a string because Kubernetes has no exact fractions.
#[derive(Clone)]
pub struct MinEntropy {
    value: u8,
    text: Box<str>,
}

impl MinEntropy {
    /// Tenths of a bit per byte, 1 to 80.
    pub const fn tenths(&self) -> u8 {
        self.value
    }

    /// From tenths of a bit per byte; `None` unless 1 to 80.
    pub fn from_tenths(tenths: u8) -> Option<Self> {
        if !(1..=80).contains(&tenths) {
            return None;
        }
        let text = if tenths.is_multiple_of(10) {
            format!("{}", tenths / 10)
        } else {
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        Some(Self { value: tenths, text: text.into() })
    }
}

super::string_quantity::string_quantity!(MinEntropy, u8, parse, schema());

fn parse(text: &str) -> Result<u8, QuantityError> {
    let tenths = match text.as_bytes() {
        [whole] => tenths_of(*whole, b'0'),
        [whole, b'.', tenth] => tenths_of(*whole, *tenth),
        _ => None,
    };
    tenths
        .filter(|tenths| (1..=80).contains(tenths))
        .ok_or_else(|| QuantityError::MinEntropy { text: text.to_owned() })
}

fn tenths_of(whole: u8, tenth: u8) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    Some(digit(whole)? * 10 + digit(tenth)?)
}

/// The pattern in the schema, which identifies min-entropies.
pub(crate) const PATTERN: &str = r"^(0\.[1-9]|[1-7](\.[0-9])?|8(\.0)?)$";

fn schema() -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 3,
        "pattern": PATTERN,
    })
}
