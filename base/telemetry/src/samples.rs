//! The values of all series at one instant, and their text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::families::{Family, MetricKind};

/// Builds the samples of a scrape.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    family: &'static Family,
    labels: Vec<String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    /// A counter that is not of whole things.
    Fraction(f64),
    Integer(i64),
    Gauge(f64),
    Histogram(Histogram),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds and how many values are in each bucket alone, not in those below it.
    pub buckets: Vec<(f64, u64)>,
    pub sum: f64,
    pub count: u64,
}

/// Labels are in the family's order; an empty one is left out.
impl Samples {
    pub fn counter(&mut self, family: &'static Family, labels: &[&str], count: u64) {
        self.add(family, labels, Value::Counter(count));
    }

    pub(crate) fn fraction(&mut self, family: &'static Family, labels: &[&str], count: f64) {
        self.add(family, labels, Value::Fraction(count));
    }

    pub fn gauge(&mut self, family: &'static Family, labels: &[&str], value: f64) {
        self.add(family, labels, Value::Gauge(value));
    }

    /// A gauge that is shown without a fraction.
    pub fn integer(&mut self, family: &'static Family, labels: &[&str], value: i64) {
        self.add(family, labels, Value::Integer(value));
    }

    pub fn histogram(&mut self, family: &'static Family, labels: &[&str], histogram: Histogram) {
        self.add(family, labels, Value::Histogram(histogram));
    }

    fn add(&mut self, family: &'static Family, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.0.push(Sample { family, labels, value });
    }
}

/// The samples as text for Prometheus, with all families, also those that have no series at the moment, and with what the
/// program says of itself.
pub fn encode(families: &'static [&'static Family], samples: Samples) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { families, samples }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    families: &'static [&'static Family],
    samples: Samples,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = self.families.to_vec();
        // What the program says of itself is in no list.
        for Sample { family, .. } in &self.samples.0 {
            if families.iter().all(|listed| listed.name != family.name) {
                families.push(family);
            }
        }
        for family in families {
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind(family))?;
            for sample in self.samples.0.iter().filter(|sample| sample.family.name == family.name) {
                let labels = labels(sample);
                if labels.is_empty() {
                    value(&sample.value, &mut metric)?;
                } else {
                    value(&sample.value, &mut metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

fn kind(family: &Family) -> MetricType {
    match family.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    }
}

fn labels(sample: &Sample) -> Vec<(&'static str, &str)> {
    let named = sample.family.labels.iter().zip(&sample.labels);
    named.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, value.as_str())).collect()
}

fn value(value: &Value, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    match value {
        Value::Counter(count) => metric.encode_counter::<NoLabelSet, u64, f64>(count, None),
        Value::Fraction(count) => metric.encode_counter::<NoLabelSet, f64, f64>(count, None),
        Value::Integer(value) => metric.encode_gauge(value),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram(Histogram { buckets, sum, count }) => {
            metric.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::families! { FAMILIES:
        BYTES "bytes" Counter &["pool", "class"], "Bytes served";
        UP "up" Gauge &[], "1 while it is up";
        WAIT "wait_seconds" Histogram &[], "Waits";
    }

    #[test]
    fn every_family_is_in_the_text_and_an_empty_label_is_left_out() {
        let mut samples = Samples::default();
        samples.counter(&BYTES, &["default", "gold"], 7);
        samples.counter(&BYTES, &["default", ""], 8);
        samples.integer(&UP, &[], 1);
        let text = encode(FAMILIES, samples).expect("a string takes it");
        for line in [
            "entropool_bytes_total{pool=\"default\",class=\"gold\"} 7",
            "entropool_bytes_total{pool=\"default\"} 8",
            "entropool_up 1",
            "# TYPE entropool_wait_seconds histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_table_has_full_names() {
        let table = crate::table(FAMILIES);
        assert!(
            table.contains("| `entropool_bytes_total` | counter | `pool`, `class` | Bytes served |\n"),
            "{table}"
        );
        assert!(table.contains("| `entropool_up` | gauge | – | 1 while it is up |\n"), "{table}");
        assert_eq!(WAIT.full_name(), "entropool_wait_seconds");
    }
}
