//! Numbers as a person reads them: short, with the units that manifests use.

use crate::view::{Rate, Span};

/// The longest exact spelling of a rate that fits a column.
const LONGEST: usize = 8;
/// What nothing looks like.
const NOTHING: &str = "-";

/// A configured rate: as a manifest would say it, or rounded where that is a long number.
pub(super) fn rate(rate: Rate) -> String {
    if rate.0 == 0 {
        return NOTHING.to_owned();
    }
    let exact = rate.to_string();
    if exact.len() <= LONGEST { exact } else { format!("≈{}", per_time(rate)) }
}

/// A measured rate.
pub(super) fn measured(bytes_per_second: f64) -> String {
    if bytes_per_second < 0.05 { "0".to_owned() } else { format!("{}/s", scaled(bytes_per_second)) }
}

/// A number of bytes that somebody counted.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn total(bytes: u64) -> String {
    if bytes < 1_024 { bytes.to_string() } else { scaled(bytes as f64) }
}

/// How long something has taken.
pub(super) fn span(span: Span) -> String {
    let seconds = span.seconds();
    match seconds {
        ..0.000_95 => format!("{:.0}us", seconds * 1e6),
        ..0.95 => format!("{:.0}ms", seconds * 1e3),
        ..9.95 => format!("{seconds:.1}s"),
        ..119.5 => format!("{seconds:.0}s"),
        ..7_170.0 => format!("{:.0}min", seconds / 60.0),
        ..172_000.0 => format!("{:.0}h", seconds / 3_600.0),
        _ => format!("{:.0}d", seconds / 86_400.0),
    }
}

/// The period in which a rate is a number worth reading.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn per_time(rate: Rate) -> String {
    let a_day = rate.0 as f64;
    let (unit, in_a_day) = match rate.0 {
        86_400.. => ("s", 86_400.0),
        1_440.. => ("min", 1_440.0),
        _ => ("h", 24.0),
    };
    format!("{}/{unit}", scaled(a_day / in_a_day))
}

/// Three digits and a binary unit.
fn scaled(number: f64) -> String {
    const UNITS: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut number = number;
    let mut unit = 0;
    while number >= 1_023.5 && unit + 1 < UNITS.len() {
        number /= 1_024.0;
        unit += 1;
    }
    let decimals = usize::from(number < 99.95);
    let digits = format!("{number:.decimals$}");
    format!("{}{}", digits.strip_suffix(".0").unwrap_or(&digits), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_exact_where_that_is_short() {
        let spelled = [64 * 1_024 * 86_400, 64 * 1_440, 24, 12_345_678, 0].map(|a_day| rate(Rate(a_day)));
        assert_eq!(spelled, ["64Ki/s", "64/min", "1/h", "≈143/s", "-"]);
    }

    #[test]
    fn counted_bytes_have_three_digits() {
        let spelled = [0, 1_023, 1_024, 1_500, 104_857, 1_047_552, 1_048_575, 5 << 40].map(total);
        assert_eq!(spelled, ["0", "1023", "1Ki", "1.5Ki", "102Ki", "1023Ki", "1Mi", "5Ti"]);
    }

    #[test]
    fn a_measured_rate_that_rounds_to_nothing_is_nothing() {
        assert_eq!([0.0, 0.01, 1.07, 32_768.4].map(measured), ["0", "0", "1.1/s", "32Ki/s"]);
    }

    #[test]
    fn a_time_has_one_unit() {
        let spelled =
            [400_000, 20_000_000, 3_210_000_000, 64_000_000_000, 7_200_000_000_000, 900_000_000_000_000]
                .map(|nanoseconds| span(Span(nanoseconds)));
        assert_eq!(spelled, ["400us", "20ms", "3.2s", "64s", "2h", "10d"]);
    }
}
