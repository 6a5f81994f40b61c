//! What a rule checks, and what it reports.

use api::Reason;

use crate::desired::DesiredSpecs;
use crate::rejection::{ObjectKind, Rejection};
use crate::resolved_tree::ResolvedTree;

/// The spec that a rule checks, and what it is checked against.
pub(crate) struct Case<'w, 'a, S> {
    pub(super) tree: &'w ResolvedTree<'a>,
    pub(super) desired: &'w DesiredSpecs<'a>,
    pub(super) name: &'a str,
    pub(super) spec: &'a S,
}

/// One broken rule, whether or not an edit broke it.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(super) reason: Reason,
    pub(super) field: String,
    pub(super) message: String,
    /// The other object that the field is compared with, if any.
    pub(super) against: String,
    /// By how much the limit is exceeded, where that is a number.
    pub(super) excess: u64,
}

impl Violation {
    pub(super) fn new(reason: Reason, field: impl Into<String>, message: String) -> Self {
        Self { reason, field: field.into(), message, against: String::new(), excess: 0 }
    }

    pub(super) fn by(self, excess: u64, against: impl Into<String>) -> Self {
        Self { excess, against: against.into(), ..self }
    }

    /// Whether `later` is the same violation and no worse.
    pub(super) fn covers(&self, later: &Self) -> bool {
        let same = self.reason == later.reason && self.field == later.field && self.against == later.against;
        same && later.excess <= self.excess
    }

    pub(super) fn rejection(self, kind: ObjectKind, name: &str) -> Rejection {
        let Self { reason, field, message, .. } = self;
        Rejection { kind, name: name.to_owned(), field, reason, message }
    }
}
