//! Quantities: what is accepted, how it is displayed, and the message for each mistake.
#![allow(missing_docs, clippy::unwrap_used)]

use api::{MinEntropy, Rate, Size};
use proptest::prelude::*;

#[test]
fn sizes_are_whole_bytes() {
    for (text, bytes) in [
        ("1", 1),
        ("256", 256),
        ("64k", 64_000),
        ("3M", 3_000_000),
        ("4G", 4_000_000_000),
        ("4Ki", 4096),
        ("1Mi", 1 << 20),
        ("4Gi", Size::MAX),
    ] {
        assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes, "{text}");
    }
}

#[test]
fn rates_are_whole_bytes_per_day() {
    for (text, per_day) in [
        ("10G/s", Rate::MAX),
        ("10000000/ms", Rate::MAX),
        ("864000G/d", Rate::MAX),
        ("64Ki/s", 65_536 * 86_400),
        ("64/min", 64 * 1_440),
        ("1/h", 24),
        ("1/24h", 1),
        ("1/86400000ms", 1),
        ("24/d", 24),
        ("1M/10s", 1_000_000 * 8_640),
    ] {
        assert_eq!(text.parse::<Rate>().unwrap().bytes_per_day(), per_day, "{text}");
    }
}

#[test]
fn quantities_are_displayed_as_written_and_compared_by_value() {
    let (one, two): (Rate, Rate) = ("64Ki/s".parse().unwrap(), "65536/s".parse().unwrap());
    assert_eq!(one, two);
    assert_eq!((one.to_string(), two.to_string()), ("64Ki/s".to_owned(), "65536/s".to_owned()));
    assert_eq!(serde_json::to_string(&one).unwrap(), "\"64Ki/s\"");
    assert!("1k/s".parse::<Rate>().unwrap() < "1Ki/s".parse().unwrap());
}

#[test]
fn numbers_are_displayed_in_their_most_readable_form() {
    for (per_day, text) in [
        (65_536 * 86_400, "64Ki/s"),
        (64 * 1_440, "64/min"),
        (24, "1/h"),
        (25, "25/d"),
        (Rate::MAX, "10G/s"),
        (1_000 * 86_400, "1k/s"),
        (1_536 * 86_400, "1536/s"),
        (0, "0/s"),
    ] {
        assert_eq!(Rate::from_bytes_per_day(per_day).to_string(), text);
    }
    for (bytes, text) in [(1024, "1Ki"), (1000, "1k"), (255, "255"), (4 << 20, "4Mi"), (0, "0")] {
        assert_eq!(Size::from_bytes(bytes).to_string(), text);
    }
}

#[test]
fn rejected_rates_say_what_to_write_instead() {
    let rejected = [
        "",
        "64Ki",
        "64K/s",
        "64m/s",
        "64kbit/s",
        "8b/s",
        "64kbps",
        "10Kb/s",
        "64KiB/s",
        "64kB",
        "0/s",
        "0Ki/s",
        "00/s",
        "064/s",
        "-1/s",
        "+1/s",
        "64 Ki/s",
        " 64/s",
        "1.5Ki/s",
        "1,5/s",
        "1e6/s",
        "1_000/s",
        "Ki/s",
        "/s",
        "64Ki/",
        "64/m",
        "64/sec",
        "64/7s",
        "64/25h",
        "64/0s",
        "64/05s",
        "64/2d",
        "1/1439min",
        "11G/s",
        "99999999999999999999/s",
        "1/99999999999s",
        "1Ti/s",
        "1g/s",
        "64/s/s",
        "64/-1s",
        "６４/s",
        "64\u{a0}/s",
    ];
    insta::assert_snapshot!(table(&rejected, |text| text.parse::<Rate>().unwrap_err().to_string()));
}

#[test]
fn rejected_sizes_say_what_to_write_instead() {
    let rejected =
        ["", "4K", "4m", "4kbit", "4KiB", "0", "4Ki/s", "5Gi", "4.5Ki", "four", "9999999999999999"];
    insta::assert_snapshot!(table(&rejected, |text| text.parse::<Size>().unwrap_err().to_string()));
}

#[test]
fn min_entropies_are_thousandths_of_a_bit() {
    let valid = [
        ("0.001", 1),
        ("0.01", 10),
        ("0.010", 10),
        ("0.1", 100),
        ("0.125", 125),
        ("6", 6000),
        ("6.0", 6000),
        ("7.999", 7999),
        ("8", 8000),
        ("8.000", 8000),
    ];
    for (text, thousandths) in valid {
        assert_eq!(text.parse::<MinEntropy>().unwrap().thousandths(), thousandths, "{text}");
    }
    for text in ["", "0", "0.0", "8.1", "9", ".5", "5.", "0.0005", "-1", "1,5", "10", "６"] {
        assert!(text.parse::<MinEntropy>().is_err(), "{text}");
    }
}

fn table(rejected: &[&str], message: impl Fn(&str) -> String) -> String {
    rejected.iter().map(|text| message(text)).collect::<Vec<_>>().join("\n")
}

proptest! {
    #[test]
    fn what_is_displayed_can_be_parsed(per_day in 1..=Rate::MAX, bytes in 1..=Size::MAX, thousandths in 1..=8000u16) {
        let rate = Rate::from_bytes_per_day(per_day);
        prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap().bytes_per_day(), per_day);
        let size = Size::from_bytes(bytes);
        prop_assert_eq!(size.to_string().parse::<Size>().unwrap().bytes(), bytes);
        let bits = MinEntropy::from_thousandths(thousandths).unwrap();
        prop_assert_eq!(bits.to_string().parse::<MinEntropy>().unwrap().thousandths(), thousandths);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}", near in "[0-9kKMGimbsd/hBn +.-]{0,16}") {
        for text in [text, near] {
            let _ = text.parse::<Rate>();
            let _ = text.parse::<Size>();
            let _ = text.parse::<MinEntropy>();
        }
    }
}
