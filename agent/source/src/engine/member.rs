//! One source, as a member of one pool.

use std::sync::Arc;

use super::selection::{Candidate, CandidateHealth};
use crate::health::HealthState;
use crate::sampler::{Handle, SourceHealth, Subscriber};
use crate::spec::{Output, SourceSpec};

/// A source with what the pool says of it.
pub(crate) struct Member {
    pub(crate) spec: SourceSpec,
    pub(crate) origin: Origin,
}

/// Where a member's bytes come from on this node.
pub(crate) enum Origin {
    /// The kernel's generator.
    Kernel,
    /// A noise source.
    Noise(Link),
    /// This node does not let the pool open it: the sentence says so.
    NotPermitted(String),
}

/// A tap that is fed. Taken off the source when the pool goes.
pub(crate) struct Link {
    tap: Arc<Subscriber>,
    feeder: Arc<Handle>,
}

impl Link {
    pub(crate) fn new(tap: Subscriber, feeder: Arc<Handle>) -> Self {
        let tap = Arc::new(tap);
        feeder.add(Arc::clone(&tap));
        Self { tap, feeder }
    }

    pub(crate) fn health(&self) -> SourceHealth {
        self.tap.health()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.feeder.remove(&self.tap);
    }
}

impl Member {
    pub(crate) fn tap(&self) -> Option<&Subscriber> {
        match &self.origin {
            Origin::Noise(link) => Some(&link.tap),
            Origin::Kernel | Origin::NotPermitted(_) => None,
        }
    }

    /// Whether this output may rest on it.
    pub(crate) fn counts(&self, output: Output) -> bool {
        match output {
            Output::Stretched => true,
            Output::FullEntropy | Output::Raw => self.spec.credited().is_some(),
        }
    }

    /// As the choice sees it, and how often its samples were dropped.
    pub(super) fn candidate(&self, output: Output, kernel_ready: bool) -> (Candidate, u64) {
        let (condition, drops) = match &self.origin {
            Origin::Kernel if kernel_ready => (CandidateHealth::Healthy, 0),
            Origin::Kernel => (CandidateHealth::New, 0),
            Origin::NotPermitted(_) => (CandidateHealth::Out, 0),
            Origin::Noise(link) => {
                let standing = link.tap.standing();
                let condition = match standing.state {
                    HealthState::Healthy => CandidateHealth::Healthy,
                    HealthState::Starting if standing.is_new => CandidateHealth::New,
                    _ => CandidateHealth::Out,
                };
                (condition, standing.drops)
            }
        };
        (Candidate { tier: self.spec.tier, counts: self.counts(output), condition }, drops)
    }
}
