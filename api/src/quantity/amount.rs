//! The number of bytes in a size or rate: digits, alone or followed by a unit.

use super::QuantityError;

/// The units and their factors.
const UNITS: [(&str, u64); 7] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
];

/// A number of bytes as a regular expression.
pub(super) const PATTERN: &str = "[1-9][0-9]{0,14}(k|M|G|Ki|Mi|Gi)?";

/// A size or rate that is being parsed, with what its errors need.
pub(super) struct Input<'a> {
    pub(super) text: &'a str,
    /// Whether it is a rate, which has a period, or a size.
    pub(super) is_rate: bool,
    pub(super) max: &'static str,
    /// An example of what to write.
    pub(super) hint: &'static str,
}

impl Input<'_> {
    /// Checks what applies to all quantities.
    pub(super) fn check_characters(&self) -> Result<(), QuantityError> {
        let text = self.text.to_owned();
        if self.text.is_empty() {
            Err(QuantityError::Empty { hint: self.hint })
        } else if self.text.contains(char::is_whitespace) {
            let without = self.text.split_whitespace().collect();
            Err(QuantityError::WhiteSpace { text, without })
        } else if self.text.starts_with(['+', '-']) {
            Err(QuantityError::Sign { text })
        } else {
            Ok(())
        }
    }

    /// The number of bytes in `amount`, the part before any `/`.
    pub(super) fn bytes(&self, amount: &str) -> Result<u64, QuantityError> {
        let text = || self.text.to_owned();
        let end = amount.find(|c: char| !c.is_ascii_digit()).unwrap_or(amount.len());
        let (digits, unit) = amount.split_at(end);
        if digits.is_empty() {
            return Err(QuantityError::NoNumber { text: text(), hint: self.hint });
        }
        let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(self.unit_error(digits, unit));
        };
        if digits.bytes().all(|digit| digit == b'0') {
            return Err(QuantityError::Zero { text: text() });
        }
        if digits.starts_with('0') {
            return Err(QuantityError::LeadingZero { text: text() });
        }
        // The pattern of the schema allows 15 digits, which is more than any limit needs.
        let number = if digits.len() > 15 { None } else { digits.parse::<u64>().ok() };
        number
            .and_then(|number| number.checked_mul(factor))
            .ok_or_else(|| QuantityError::TooLarge { text: text(), max: self.max })
    }

    fn unit_error(&self, digits: &str, unit: &str) -> QuantityError {
        let text = self.text.to_owned();
        let with = |unit: &str| format!("{digits}{unit}{}", self.period());
        match unit {
            _ if unit.starts_with(['.', ',', '_', 'e', 'E']) => QuantityError::Fraction { text },
            "m" => QuantityError::Milli { text, decimal: with("M"), binary: with("Mi") },
            "K" => QuantityError::UpperK { text, decimal: with("k"), binary: with("Ki") },
            _ => {
                if let Some(prefix) = bit_prefix(unit) {
                    QuantityError::Bits { text, instead: in_bytes(digits, prefix, &self.period()) }
                } else if let Some(prefix) = unit.strip_suffix('B').filter(|prefix| is_unit(prefix)) {
                    QuantityError::ByteSuffix { text, instead: with(prefix) }
                } else {
                    QuantityError::Unit { text, unit: unit.to_owned() }
                }
            }
        }
    }

    /// The period in a suggestion.
    fn period(&self) -> String {
        match self.text.split_once('/') {
            Some((_, period)) => format!("/{period}"),
            None if self.is_rate => "/s".to_owned(),
            None => String::new(),
        }
    }
}

fn is_unit(name: &str) -> bool {
    UNITS.iter().any(|(unit, _)| *unit == name)
}

/// The `k` of `kbit`, `kbits`, `kb` or `kbps`; `None` if the unit is not one of bits.
fn bit_prefix(unit: &str) -> Option<&str> {
    let prefix = ["bits", "bit", "bps", "b"].iter().find_map(|suffix| unit.strip_suffix(suffix))?;
    (is_unit(prefix) || prefix == "K").then_some(prefix)
}

/// A number of bits as bytes, if it is divisible by eight.
fn in_bytes(digits: &str, prefix: &str, period: &str) -> String {
    match digits.parse::<u64>() {
        Ok(bits) if bits > 0 && bits % 8 == 0 && is_unit(prefix) => format!("{}{prefix}{period}", bits / 8),
        _ => "an eighth of the number".to_owned(),
    }
}

/// The shortest form of a number of bytes, such as `64Ki`, `1k` or `255`.
pub(super) fn shortest_form(bytes: u64) -> String {
    UNITS
        .iter()
        .filter(|(_, factor)| bytes.is_multiple_of(*factor) && bytes >= *factor)
        .map(|(unit, factor)| format!("{}{unit}", bytes / factor))
        .min_by_key(String::len)
        .unwrap_or_else(|| bytes.to_string())
}

/// A CEL expression for the bytes in the size or rate `self`, as a double: exact up to 2^53, which is more than any
/// limit that it is compared with. `end` is what follows the unit. The expression binds no variables, because the
/// API server does not know the maximum length of a bound string when it estimates the cost of a rule.
pub(super) fn cel_bytes(end: &str) -> String {
    let factor = UNITS.iter().skip(1).rev().fold("1.0".to_owned(), |rest, (unit, factor)| {
        let test = if end.is_empty() { "endsWith" } else { "contains" };
        format!("self.{test}('{unit}{end}') ? {factor}.0 : {rest}")
    });
    let digits = "self.split('/')[0].split('k')[0].split('K')[0].split('M')[0].split('G')[0]";
    format!("double({digits}) * ({factor})")
}
