//! Numbers for people: short, with the units that manifests use.

use std::time::Duration;

use api::Rate;

/// The longest exact rate that fits a column.
const LONGEST: usize = 8;
const NOTHING: &str = "-";

/// A configured rate in bytes per day: as a manifest spells it, or rounded if that is long.
pub(crate) fn configured_rate(bytes_per_day: u64) -> String {
    if bytes_per_day == 0 {
        return NOTHING.to_owned();
    }
    let exact = Rate::from_bytes_per_day(bytes_per_day).to_string();
    if exact.len() <= LONGEST { exact } else { format!("≈{}", rounded_rate(bytes_per_day)) }
}

pub(crate) fn measured_rate(bytes_per_second: f64) -> String {
    if bytes_per_second < 0.05 { "0".to_owned() } else { format!("{}/s", scaled(bytes_per_second)) }
}

/// A number of counted bytes.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn total(bytes: u64) -> String {
    if bytes < 1_024 { bytes.to_string() } else { scaled(bytes as f64) }
}

pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// A duration with one unit.
pub(crate) fn duration(nanoseconds: u64) -> String {
    let seconds = seconds(nanoseconds);
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

/// A rate with three digits, in the shortest period that has a byte.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn rounded_rate(bytes_per_day: u64) -> String {
    let (unit, per_day) = match bytes_per_day {
        86_400.. => ("s", 86_400.0),
        1_440.. => ("min", 1_440.0),
        _ => ("h", 24.0),
    };
    format!("{}/{unit}", scaled(bytes_per_day as f64 / per_day))
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

/// Thousandths of a bit in bits: `6`, `0.25`.
pub(crate) fn bits(thousandths: u32) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_exact_if_that_is_short() {
        let spelled = [64 * 1_024 * 86_400, 64 * 1_440, 24, 12_345_678, 0].map(configured_rate);
        assert_eq!(spelled, ["64Ki/s", "64/min", "1/h", "≈143/s", "-"]);
    }

    #[test]
    fn total_has_three_digits() {
        let spelled = [0, 1_023, 1_024, 1_500, 104_857, 1_047_552, 1_048_575, 5 << 40].map(total);
        assert_eq!(spelled, ["0", "1023", "1Ki", "1.5Ki", "102Ki", "1023Ki", "1Mi", "5Ti"]);
    }

    #[test]
    fn measured_rate_below_a_tenth_of_a_byte_is_zero() {
        assert_eq!([0.0, 0.01, 1.07, 32_768.4].map(measured_rate), ["0", "0", "1.1/s", "32Ki/s"]);
    }

    #[test]
    fn duration_has_one_unit() {
        let spelled =
            [400_000, 20_000_000, 3_210_000_000, 64_000_000_000, 7_200_000_000_000, 900_000_000_000_000]
                .map(duration);
        assert_eq!(spelled, ["400us", "20ms", "3.2s", "64s", "2h", "10d"]);
    }
}
