//! The page in docs/ that lists the metrics.

use std::fmt::Write;

use super::families::{FAMILIES, MetricKind};

const HEAD: &str = "\
# The controller's metrics

`entropool-controller` serves them in the OpenMetrics format at `/metrics` of its health port (8080), beside `/healthz`
and `/readyz`. The agents' are in [metrics.md](metrics.md), alerts on both in [runbooks](runbooks).

Names, types and labels are an interface: they change only with a line in the changelog. No label names a VM, a
namespace or a node, so there are as many series as there are kinds, hooks and reasons.

This page is generated from the code: `make metrics` writes it.

| name | type | labels | what |
|---|---|---|---|
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for family in FAMILIES {
        let kind = match family.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        // Writing to a string does not fail.
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", family.full_name(), family.help);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_as_the_code_has_it() {
        let kept = include_str!("../../../docs/controller-metrics.md");
        assert_eq!(kept, page(), "docs/controller-metrics.md is stale: make metrics");
    }

    #[test]
    fn names_are_told_apart_and_are_no_sentences() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[..at].iter().all(|other| other.name != family.name), "{} twice", family.name);
            assert!(!family.name.ends_with("_total") && !family.help.ends_with('.'), "{}", family.name);
            assert!(!family.help.contains('|'), "{}", family.help);
        }
    }
}
