//! Sizes, rates and min-entropies: strings in a manifest, exact integers inside. Each type displays what was written
//! and compares by value: `64Ki/s` equals `65536/s`, and neither is ever rewritten into the other.

mod amount;
mod error;
mod min_entropy;
mod period;
mod rate;
mod size;
mod string_quantity;

pub use error::QuantityError;
pub use min_entropy::MinEntropy;
pub use rate::Rate;
pub use size::Size;

/// Parses `text` as the quantity whose schema has this pattern; `None` if the pattern is not that of a quantity.
pub(crate) fn check(pattern: &str, text: &str) -> Option<Result<(), QuantityError>> {
    if pattern == rate::pattern() {
        Some(text.parse::<Rate>().map(drop))
    } else if pattern == size::pattern() {
        Some(text.parse::<Size>().map(drop))
    } else if pattern == min_entropy::PATTERN {
        Some(text.parse::<MinEntropy>().map(drop))
    } else {
        None
    }
}
