//! Counts and durations of the answers to admission requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use telemetry::Histogram;
use webhook::{AdmissionDecision, Hook};

/// Upper bounds of durations in seconds. The API server waits for some seconds at most.
const BOUNDS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0];

/// Answers by hook and verdict: `unchanged`, `changed` or the reason of a refusal.
#[derive(Debug, Default)]
pub(crate) struct AdmissionMetrics {
    counts: Mutex<Counts>,
    durations: Mutex<BTreeMap<&'static str, Durations>>,
}

type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// How many answers took how long: by bound, and beyond the last one.
#[derive(Clone, Copy, Debug, Default)]
struct Durations {
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl AdmissionMetrics {
    pub(super) fn count(&self, hook: Hook, decision: &AdmissionDecision) {
        let verdict = match decision {
            AdmissionDecision::Allowed { patch, .. } if patch.is_empty() => "unchanged",
            AdmissionDecision::Allowed { .. } => "changed",
            AdmissionDecision::Refused(denial) => denial.reason(),
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((hook.as_str(), verdict)).or_default() += 1;
    }

    pub(super) fn took(&self, hook: Hook, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let of_hook = durations.entry(hook.as_str()).or_default();
        of_hook.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        of_hook.sum += seconds;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long answers took, by hook.
    pub(crate) fn durations(&self) -> Vec<(&'static str, Histogram)> {
        let durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = |durations: &Durations| Histogram {
            buckets: BOUNDS.into_iter().chain([f64::INFINITY]).zip(durations.counts).collect(),
            sum: durations.sum,
            count: durations.counts.iter().sum(),
        };
        durations.iter().map(|(hook, durations)| (*hook, histogram(durations))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_in_the_first_bucket_that_holds_its_duration() {
        let metrics = AdmissionMetrics::default();
        for milliseconds in [1, 3, 60_000] {
            metrics.took(Hook::Pod, Duration::from_millis(milliseconds));
        }
        let [(hook, histogram)] = &metrics.durations()[..] else { panic!("one hook has answered") };
        assert_eq!((*hook, histogram.count), ("pod", 3));
        let filled: Vec<_> = histogram.buckets.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [&(0.001, 1), &(0.005, 1), &(f64::INFINITY, 1)]);
        assert!((histogram.sum - 60.004).abs() < 1e-9);
    }
}
