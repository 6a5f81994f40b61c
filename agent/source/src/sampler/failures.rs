//! Permanent failures, by source and claim.

use std::sync::{Arc, Mutex};

use crate::health::{Cause, MinEntropy};
use crate::spec::SourceKind;
use crate::waker::lock;

/// The permanent failures of all sources of a node. They outlive the pools that draw from them, so that an edit of a pool
/// forgives nothing; only a retest removes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailureRegistry(Arc<Mutex<Vec<Failure>>>);

#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: SourceKind,
    /// The claim that the source did not keep.
    h: MinEntropy,
    pub(super) cause: Cause,
    pub(super) message: String,
}

impl FailureRegistry {
    pub(super) fn record(&self, kind: &SourceKind, h: MinEntropy, cause: Cause, message: String) {
        let mut failures = lock(&self.0);
        failures.retain(|failure| (&failure.kind, failure.h) != (kind, h));
        failures.push(Failure { kind: kind.clone(), h, cause, message });
    }

    /// The failure of a source of this claim: one of a lower claim is one of this claim too.
    pub(super) fn find(&self, kind: &SourceKind, h: MinEntropy) -> Option<Failure> {
        lock(&self.0).iter().find(|failure| failure.kind == *kind && failure.h <= h).cloned()
    }

    pub(super) fn clear(&self, kind: &SourceKind) {
        lock(&self.0).retain(|failure| failure.kind != *kind);
    }
}
