//! The order of names that people expect: `vm-2` before `vm-10`.

use std::cmp::Ordering;

/// Compares names with their numbers taken as numbers.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(one), Some(two)) = (left.chars().next(), right.chars().next()) {
        let order = if one.is_ascii_digit() && two.is_ascii_digit() {
            let ((number, rest), (other, other_rest)) = (digits(left), digits(right));
            (left, right) = (rest, other_rest);
            number.len().cmp(&other.len()).then_with(|| number.cmp(other))
        } else {
            (left, right) = (&left[one.len_utf8()..], &right[two.len_utf8()..]);
            one.cmp(&two)
        };
        if order.is_ne() {
            return order;
        }
    }
    // Names that differ only in leading zeros are different names.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// The number at the beginning, without leading zeros, and what follows it.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["vm-10", "vm-2", "vm", "web-01", "vm-2a", "web-1", "vm-1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["vm", "vm-1", "vm-2", "vm-2a", "vm-10", "web-01", "web-1"]);
    }
}
