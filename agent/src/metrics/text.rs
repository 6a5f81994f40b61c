//! The samples as Prometheus reads them.

use std::fmt;

use dataplane::{WAIT_BOUNDS, WaitHistogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::family::{FAMILIES, Family, MetricKind};
use super::sample::{Sample, Value};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every family, also one of which there is no series at the moment.
pub(super) fn encode(samples: Vec<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Vec<Sample>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in FAMILIES {
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind(family))?;
            for sample in self.0.iter().filter(|sample| sample.family.name == family.name) {
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
        Value::Count(count) => metric.encode_counter::<NoLabelSet, u64, f64>(count, None),
        Value::Level(level) => metric.encode_gauge(level),
        Value::Waits(waits) => histogram(waits, metric),
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds; nobody reads the last nanosecond of a year")]
fn histogram(waits: &WaitHistogram, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    let bounds = WAIT_BOUNDS.iter().map(|bound| *bound as f64 / 1e9).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(waits.counts).collect();
    metric.encode_histogram::<NoLabelSet>(waits.sum as f64 / 1e9, waits.count(), &buckets, None)
}
