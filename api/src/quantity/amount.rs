//! The SIZE in a size and in a rate: digits, alone or followed by one unit.

use super::QuantityError;

/// Every unit there is, with what it multiplies by.
const UNITS: [(&str, u64); 7] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
];

/// The same as a regular expression.
pub(super) const PATTERN: &str = "[1-9][0-9]{0,14}(k|M|G|Ki|Mi|Gi)?";

/// Which quantity is being read, for its sentences.
pub(super) struct Reading<'a> {
    /// All that was written.
    pub(super) whole: &'a str,
    /// Whether it is a rate, which has a period, or a size.
    pub(super) rate: bool,
    /// The largest of its kind.
    pub(super) most: &'static str,
    /// A good example of its kind.
    pub(super) hint: &'static str,
}

impl Reading<'_> {
    /// What is wrong with any quantity before its parts are looked at.
    pub(super) fn check_characters(&self) -> Result<(), QuantityError> {
        let text = self.whole.to_owned();
        if self.whole.is_empty() {
            Err(QuantityError::Empty { hint: self.hint })
        } else if self.whole.contains(char::is_whitespace) {
            let without = self.whole.split_whitespace().collect();
            Err(QuantityError::Blank { text, without })
        } else if self.whole.starts_with(['+', '-']) {
            Err(QuantityError::Sign { text })
        } else {
            Ok(())
        }
    }

    /// The bytes that `amount`, the part before any `/`, stands for.
    pub(super) fn bytes(&self, amount: &str) -> Result<u64, QuantityError> {
        let text = || self.whole.to_owned();
        let end = amount.find(|c: char| !c.is_ascii_digit()).unwrap_or(amount.len());
        let (digits, unit) = amount.split_at(end);
        if digits.is_empty() {
            return Err(QuantityError::NoNumber { text: text(), hint: self.hint });
        }
        let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(self.unit_refusal(digits, unit));
        };
        if digits.bytes().all(|digit| digit == b'0') {
            return Err(QuantityError::Zero {
                text: text(),
                what: if self.rate { "the rate" } else { "the size" },
            });
        }
        if digits.starts_with('0') {
            return Err(QuantityError::LeadingZero { text: text() });
        }
        // 15 digits are what the schema's pattern takes, and more than any limit needs.
        let number = if digits.len() > 15 { None } else { digits.parse::<u64>().ok() };
        number
            .and_then(|number| number.checked_mul(factor))
            .ok_or_else(|| QuantityError::TooLarge { text: text(), most: self.most })
    }

    fn unit_refusal(&self, digits: &str, unit: &str) -> QuantityError {
        let text = self.whole.to_owned();
        let with = |unit: &str| format!("{digits}{unit}{}", self.period());
        match unit {
            _ if unit.starts_with(['.', ',', '_', 'e', 'E']) => QuantityError::Fraction { text },
            "m" => QuantityError::Milli { text, decimal: with("M"), binary: with("Mi") },
            "K" => QuantityError::BigK { text, decimal: with("k"), binary: with("Ki") },
            _ => {
                if let Some(prefix) = bit_prefix(unit) {
                    QuantityError::Bits { text, instead: in_bytes(digits, prefix, &self.period()) }
                } else if let Some(prefix) = unit.strip_suffix('B').filter(|prefix| is_unit(prefix)) {
                    QuantityError::ByteSign { text, instead: with(prefix) }
                } else {
                    QuantityError::Unit { text, unit: unit.to_owned() }
                }
            }
        }
    }

    /// What follows the amount in what should have been written.
    fn period(&self) -> String {
        match self.whole.split_once('/') {
            Some((_, period)) => format!("/{period}"),
            None if self.rate => "/s".to_owned(),
            None => String::new(),
        }
    }
}

fn is_unit(name: &str) -> bool {
    UNITS.iter().any(|(unit, _)| *unit == name)
}

/// The `k` of `kbit`, `kbits`, `kb`, `kbps`; nothing if the unit does not count bits.
fn bit_prefix(unit: &str) -> Option<&str> {
    let prefix = ["bits", "bit", "bps", "b"].iter().find_map(|suffix| unit.strip_suffix(suffix))?;
    (is_unit(prefix) || prefix == "K").then_some(prefix)
}

/// Bits written as bytes, when they divide by eight.
fn in_bytes(digits: &str, prefix: &str, period: &str) -> String {
    match digits.parse::<u64>() {
        Ok(bits) if bits > 0 && bits % 8 == 0 && is_unit(prefix) => format!("{}{prefix}{period}", bits / 8),
        _ => "an eighth of it".to_owned(),
    }
}

/// The shortest spelling of a number of bytes: `64Ki`, `1k`, `255`.
pub(super) fn spelled(bytes: u64) -> String {
    UNITS
        .iter()
        .filter(|(_, factor)| bytes.is_multiple_of(*factor) && bytes >= *factor)
        .map(|(unit, factor)| format!("{}{unit}", bytes / factor))
        .min_by_key(String::len)
        .unwrap_or_else(|| bytes.to_string())
}

/// The bytes of the size or rate `self`, as a CEL double: exact up to 2^53, which is more than any limit it is
/// compared with. `end` is what follows the unit. Nothing is bound to a name: the API server's estimate of a
/// rule's cost loses sight of how long a bound text can be.
pub(super) fn cel_bytes(end: &str) -> String {
    let factor = UNITS.iter().skip(1).rev().fold("1.0".to_owned(), |rest, (unit, factor)| {
        let test = if end.is_empty() { "endsWith" } else { "contains" };
        format!("self.{test}('{unit}{end}') ? {factor}.0 : {rest}")
    });
    let digits = "self.split('/')[0].split('k')[0].split('K')[0].split('M')[0].split('G')[0]";
    format!("double({digits}) * ({factor})")
}
