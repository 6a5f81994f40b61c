//! The assessed min-entropy of a noise source.

use super::QuantityError;

/// The assessed min-entropy of a noise source in bits per byte: a decimal string from `"0.001"` to `"8"` with at
/// most three decimal places. It is a string because Kubernetes has no exact fractions.
#[derive(Clone)]
pub struct MinEntropy {
    value: u16,
    text: Box<str>,
}

impl MinEntropy {
    /// Thousandths of a bit per byte, 1 to 8000.
    pub const fn thousandths(&self) -> u16 {
        self.value
    }

    /// From thousandths of a bit per byte; `None` unless 1 to 8000.
    pub fn from_thousandths(thousandths: u16) -> Option<Self> {
        if !(1..=8000).contains(&thousandths) {
            return None;
        }
        let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Some(Self { value: thousandths, text: text.into() })
    }
}

super::string_quantity::string_quantity!(MinEntropy, u16, parse, schema());

fn parse(text: &str) -> Result<u16, QuantityError> {
    thousandths_of(text)
        .filter(|thousandths| (1..=8000).contains(thousandths))
        .ok_or_else(|| QuantityError::MinEntropy { text: text.to_owned() })
}

fn thousandths_of(text: &str) -> Option<u16> {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 1 || !(1..=3).contains(&places.len()) || !are_digits(whole) || !are_digits(places) {
        return None;
    }
    format!("{whole}{places:0<3}").parse().ok()
}

/// The pattern in the schema, which identifies min-entropies.
pub(crate) const PATTERN: &str =
    r"^(0\.(00[1-9]|0[1-9][0-9]?|[1-9][0-9]{0,2})|[1-7](\.[0-9]{1,3})?|8(\.0{1,3})?)$";

fn schema() -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 5,
        "pattern": PATTERN,
    })
}
