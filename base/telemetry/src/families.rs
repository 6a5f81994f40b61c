//! Metric families, and the table of them for the documentation.

use std::fmt::Write;

/// One metric with all its series.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Without the suffix `_total` of counters.
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    /// What is measured and in which unit: a phrase without a full stop that stands alone.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, until the program restarts.
    Counter,
    /// The state at the moment of the scrape.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl MetricKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// The name as it is scraped.
    pub fn full_name(&self) -> String {
        match self.kind {
            MetricKind::Counter => format!("{}_total", self.name),
            MetricKind::Gauge | MetricKind::Histogram => self.name.to_owned(),
        }
    }
}

/// Declares the metrics of a program: a static per family, and a list of all in the order of the page.
#[macro_export]
macro_rules! families {
    ($vis:vis $all:ident: $($id:ident $name:literal $kind:ident $labels:expr, $help:literal;)*) => {
        $(pub(crate) static $id: $crate::Family = $crate::Family {
            name: concat!("entropool_", $name),
            kind: $crate::MetricKind::$kind,
            labels: $labels,
            help: $help,
        };)*
        $vis static $all: &[&$crate::Family] = &[$(&$id),*];
    };
}

/// The families as a Markdown table.
///
/// # Panics
/// Panics where a name is used twice or a help text is not a phrase: a test of each program prints its table.
pub fn table(families: &[&Family]) -> String {
    let mut table = "| name | type | labels | what |\n|---|---|---|---|\n".to_owned();
    for (at, family) in families.iter().enumerate() {
        let Family { name, kind, help, .. } = family;
        assert!(families[..at].iter().all(|other| other.name != *name), "{name} is declared twice");
        assert!(!name.ends_with("_total"), "{name} gets its suffix from its kind");
        assert!(!help.ends_with('.') && !help.contains('|'), "the help of {name} is not a phrase: {help}");
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        // Writing to a string does not fail.
        let _ = writeln!(table, "| `{}` | {} | {labels} | {help} |", family.full_name(), kind.as_str());
    }
    table
}
