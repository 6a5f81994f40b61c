//! The rules that need more than the schema: other objects, sums, nodes.
//!
//! A rule looks at one spec beside a world in order and says what would be broken. It is a sentence with the
//! object, the field, the figures and what would be right; all rules are looked at, so that all errors of an
//! edit come at once.

mod members;
mod rates;
mod references;
mod sources;
mod sums;
mod tree;

use api::{EntropyClassSpec, EntropyPoolSpec, Reason};

pub(crate) use references::default_class;

use crate::desired::DesiredSpecs;
use crate::rejection::{ObjectKind, Rejection};
use crate::resolved_pools::{PlacedPool, ResolvedPools};

/// What a rule is asked about.
pub(crate) struct Case<'w, 'a, S> {
    world: &'w ResolvedPools<'a>,
    wishes: &'w DesiredSpecs<'a>,
    name: &'a str,
    spec: &'a S,
}

/// One broken rule, before it is known whether an edit broke it.
#[derive(Debug)]
pub(crate) struct Finding {
    reason: Reason,
    field: String,
    message: String,
    /// The other object it is measured against, if any.
    against: String,
    /// By how much, where that is a number.
    excess: u64,
}

/// The two kinds, as far as trying them goes.
pub(crate) trait Ruled: PartialEq + Clone {
    const KIND: ObjectKind;

    /// What runs under that name.
    fn placed<'a>(world: &ResolvedPools<'a>, name: &str) -> Option<&'a Self>;

    /// Whether what the spec hangs on is there.
    fn has_place(&self, world: &ResolvedPools<'_>) -> bool;

    /// Lets the spec run.
    fn place<'a>(&'a self, world: &mut ResolvedPools<'a>, name: &'a str);

    /// Every rule an edit to this spec would break.
    fn findings(case: &Case<'_, '_, Self>) -> Vec<Finding>;

    /// The rules that a spec in order may come to break without an edit of its own: nodes come, objects go.
    fn standing(case: &Case<'_, '_, Self>) -> Vec<Finding>;
}

impl Ruled for EntropyPoolSpec {
    const KIND: ObjectKind = ObjectKind::Pool;

    fn placed<'a>(world: &ResolvedPools<'a>, name: &str) -> Option<&'a Self> {
        world.pools.get(name).map(|pool| pool.layout.spec)
    }

    fn has_place(&self, _: &ResolvedPools<'_>) -> bool {
        true
    }

    fn place<'a>(&'a self, world: &mut ResolvedPools<'a>, name: &'a str) {
        world.pools.insert(name, PlacedPool::of(self, world.nodes));
    }

    fn findings(case: &Case<'_, '_, Self>) -> Vec<Finding> {
        let pool = PlacedPool::of(case.spec, case.world.nodes);
        let mut found = sources::of_spec(case.spec);
        found.extend(sources::rate(&pool));
        found.extend(rates::of_pool(case.spec));
        found.extend(sums::under_pool(case, pool.rate));
        found
    }

    fn standing(case: &Case<'_, '_, Self>) -> Vec<Finding> {
        let pool = PlacedPool::of(case.spec, case.world.nodes);
        let mut found = sources::barren(&pool);
        found.extend(sources::rate(&pool));
        found.extend(sums::under_pool(case, pool.rate));
        found.extend(references::lost_default_class(case));
        found
    }
}

impl Ruled for EntropyClassSpec {
    const KIND: ObjectKind = ObjectKind::Class;

    fn placed<'a>(world: &ResolvedPools<'a>, name: &str) -> Option<&'a Self> {
        world.classes.get(name).copied()
    }

    fn has_place(&self, world: &ResolvedPools<'_>) -> bool {
        world.has_place_for(self)
    }

    fn place<'a>(&'a self, world: &mut ResolvedPools<'a>, name: &'a str) {
        world.place_class(name, self);
    }

    fn findings(case: &Case<'_, '_, Self>) -> Vec<Finding> {
        let mut found = references::pool(case);
        match references::parent(case) {
            Some(finding) => found.push(finding),
            // Depth and sums mean nothing under a parent that is none.
            None => found.extend(tree::bounds(case).into_iter().chain(sums::within_parent(case))),
        }
        found.extend(rates::of_class(case.spec));
        found.extend(members::of_class(case.spec));
        found.extend(sums::under_class(case));
        found
    }

    // A sum that no longer fits is told on the parent alone, not on each of its classes.
    fn standing(case: &Case<'_, '_, Self>) -> Vec<Finding> {
        sums::under_class(case)
    }
}

/// Why an edit to `spec` would be refused; empty if it is in order. What the running spec breaks already, and
/// the edit makes no worse, is not the edit's fault.
pub(crate) fn of_edit<'a, S: Ruled>(
    world: &ResolvedPools<'a>,
    wishes: &DesiredSpecs<'a>,
    name: &'a str,
    spec: &'a S,
) -> Vec<Rejection> {
    let found = S::findings(&Case { world, wishes, name, spec });
    let running = S::placed(world, name).filter(|_| !found.is_empty());
    let before = running.map(|spec| S::findings(&Case { world, wishes, name, spec })).unwrap_or_default();
    let to_blame = found.into_iter().filter(|finding| !before.iter().any(|earlier| earlier.excuses(finding)));
    to_blame.map(|finding| finding.refusal(S::KIND, name)).collect()
}

/// What is wrong with a spec that runs, through no edit of its own.
pub(crate) fn of_running<'a, S: Ruled>(
    world: &ResolvedPools<'a>,
    wishes: &DesiredSpecs<'a>,
    name: &'a str,
    spec: &'a S,
) -> Vec<Rejection> {
    let found = S::standing(&Case { world, wishes, name, spec });
    found.into_iter().map(|finding| finding.refusal(S::KIND, name)).collect()
}

impl Finding {
    fn new(reason: Reason, field: impl Into<String>, message: String) -> Self {
        Self { reason, field: field.into(), message, against: String::new(), excess: 0 }
    }

    fn by(self, excess: u64, against: impl Into<String>) -> Self {
        Self { excess, against: against.into(), ..self }
    }

    fn excuses(&self, later: &Self) -> bool {
        let same = self.reason == later.reason && self.field == later.field && self.against == later.against;
        same && later.excess <= self.excess
    }

    fn refusal(self, kind: ObjectKind, name: &str) -> Rejection {
        let Self { reason, field, message, .. } = self;
        Rejection { kind, name: name.to_owned(), field, reason, message }
    }
}
