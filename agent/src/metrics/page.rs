//! The page in docs/ that lists the metrics.

use std::fmt::Write;

use super::family::{FAMILIES, Family, MetricKind};

const HEAD: &str = "\
# Metrics

`entropool run --metrics ADDR` serves them in the OpenMetrics format at `/metrics`, beside `/healthz` (the data plane
answers) and `/readyz` (it does, and says whether a configuration is in force). A port alone is one on 127.0.0.1.
Nobody is asked who they are: give it another address only where everybody who reaches that may know the names of
pools, classes and waiting VMs.

Names, types and labels are an interface: they change only with a line in the changelog. How many series there are is
bounded by the pools, classes and sources that the operator declares; VMs have series of their own only while they wait
for long, and of these there are at most 50. A counter begins anew when the daemon does.

This page is generated from the code: `make metrics` writes it.

| name | type | labels | what |
|---|---|---|---|
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for family in FAMILIES {
        row(family, &mut page);
    }
    page
}

fn row(family: &Family, page: &mut String) {
    let kind = match family.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    // Writing to a string does not fail.
    let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", family.full_name(), family.help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_as_the_code_has_it() {
        let kept = include_str!("../../../docs/metrics.md");
        assert_eq!(kept, page(), "docs/metrics.md is stale: make metrics");
    }

    #[test]
    fn names_are_told_apart_and_say_their_unit() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[..at].iter().all(|other| other.name != family.name), "{} twice", family.name);
            assert!(family.name.starts_with("entropool_") && !family.name.ends_with("_total"));
            assert!(!family.help.ends_with('.') && !family.help.contains('|'), "{}", family.help);
        }
    }
}
