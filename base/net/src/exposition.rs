//! The two formats of metrics: `OpenMetrics`, which programs make, and Prometheus' plain text, which older tools ask for.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Whether a client that sends this header would rather have plain text than `OpenMetrics`.
pub(crate) fn prefers_plain(accept: Option<&str>) -> bool {
    let mut quality = BTreeMap::new();
    for range in accept.unwrap_or("*/*").split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let value = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f64>);
        let best = quality.entry(kind).or_insert(0.0_f64);
        *best = best.max(value.unwrap_or(0.0));
    }
    let of = |kinds: &[&str]| kinds.iter().find_map(|kind| quality.get(kind)).copied().unwrap_or(0.0);
    of(&["text/plain", "text/*"]) > of(&["application/openmetrics-text", "application/*", "*/*"])
}

/// The same metrics in plain text.
pub(crate) fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(found) = line.strip_prefix("# HELP ") {
            help = found.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            // OpenMetrics names a counter without the suffix that its samples have.
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            // Writing to a string does not fail.
            if let Some((_, help)) = help.take() {
                let _ = writeln!(text, "# HELP {name} {}", help.replace("\\\"", "\""));
            }
            let _ = writeln!(text, "# TYPE {name} {kind}");
        } else if !line.starts_with('#') {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_for_those_who_prefer_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, plain) in [
            (None, false),
            (Some("*/*"), false),
            (Some(prometheus), false),
            (Some("text/plain"), true),
            (Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), true),
            (Some("application/openmetrics-text;q=0.2, text/plain"), true),
            (Some("text/plain;q=0"), false),
            (Some("application/json"), false),
        ] {
            assert_eq!(prefers_plain(accept), plain, "{accept:?}");
        }
    }

    #[test]
    fn a_counter_has_its_help_and_type_by_the_name_of_its_samples() {
        let openmetrics = "\
# HELP a_bytes Bytes of \\\"a\\\".
# TYPE a_bytes counter
a_bytes_total{pool=\"b\"} 7
# HELP up Whether it is up.
# TYPE up gauge
up 1
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_sum 0.5
wait_seconds_count 2
wait_seconds_bucket{le=\"+Inf\"} 2
# EOF
";
        let expected = "\
# HELP a_bytes_total Bytes of \"a\".
# TYPE a_bytes_total counter
a_bytes_total{pool=\"b\"} 7
# HELP up Whether it is up.
# TYPE up gauge
up 1
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_sum 0.5
wait_seconds_count 2
wait_seconds_bucket{le=\"+Inf\"} 2
";
        assert_eq!(plain(openmetrics), expected);
    }
}
