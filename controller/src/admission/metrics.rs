//! Counts of the answers to admission requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use webhook::{AdmissionDecision, Hook};

/// Answers by hook and verdict: `unchanged`, `changed` or the reason of a refusal.
#[derive(Debug, Default)]
pub(crate) struct AdmissionMetrics(Mutex<Counts>);

type Counts = BTreeMap<(&'static str, &'static str), u64>;

impl AdmissionMetrics {
    pub(super) fn count(&self, hook: Hook, decision: &AdmissionDecision) {
        let verdict = match decision {
            AdmissionDecision::Allowed { patch, .. } if patch.is_empty() => "unchanged",
            AdmissionDecision::Allowed { .. } => "changed",
            AdmissionDecision::Refused(denial) => denial.reason(),
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((hook.as_str(), verdict)).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
