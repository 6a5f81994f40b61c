//! The rules that the schema cannot express: references to other objects, sums, nodes.
//!
//! A rule checks one spec against the running tree and reports a violation with the field, the figures and what
//! would be right. All rules are checked, so that all errors of an edit are reported at once.

mod rates;
mod references;
mod sources;
mod sums;
mod tree;
mod violation;

use api::{EntropyClassSpec, EntropyPoolSpec};

pub(crate) use references::default_class;
use violation::{Case, Violation};

use crate::desired::DesiredSpecs;
use crate::rejection::{ObjectKind, Rejection};
use crate::resolved_tree::{ResolvedPool, ResolvedTree};

/// What the admission of a spec needs to know of its kind.
pub(crate) trait SpecRules: PartialEq + Clone {
    const KIND: ObjectKind;

    /// The spec of that name in the tree.
    fn running<'a>(tree: &ResolvedTree<'a>, name: &str) -> Option<&'a Self>;

    /// Whether the pool and the parent that the spec names are in the tree.
    fn has_parent(&self, tree: &ResolvedTree<'_>) -> bool;

    fn insert_into<'a>(&'a self, tree: &mut ResolvedTree<'a>, name: &'a str);

    /// Every rule that an edit to this spec would break.
    fn violations(case: &Case<'_, '_, Self>) -> Vec<Violation>;

    /// The rules that a running spec may break without being edited, because nodes were added or objects were
    /// deleted.
    fn standing_violations(case: &Case<'_, '_, Self>) -> Vec<Violation>;
}

impl SpecRules for EntropyPoolSpec {
    const KIND: ObjectKind = ObjectKind::Pool;

    fn running<'a>(tree: &ResolvedTree<'a>, name: &str) -> Option<&'a Self> {
        tree.pools.get(name).map(|pool| pool.layout.spec)
    }

    fn has_parent(&self, _: &ResolvedTree<'_>) -> bool {
        true
    }

    fn insert_into<'a>(&'a self, tree: &mut ResolvedTree<'a>, name: &'a str) {
        tree.pools.insert(name, ResolvedPool::of(self, tree.nodes));
    }

    fn violations(case: &Case<'_, '_, Self>) -> Vec<Violation> {
        let pool = ResolvedPool::of(case.spec, case.tree.nodes);
        let mut found = sources::of_spec(case.spec);
        found.extend(sources::rate(&pool));
        found.extend(rates::of_pool(case.spec));
        found.extend(sums::under_pool(case, pool.rate));
        found
    }

    fn standing_violations(case: &Case<'_, '_, Self>) -> Vec<Violation> {
        let pool = ResolvedPool::of(case.spec, case.tree.nodes);
        let mut found = sources::nodes_without_source(&pool);
        found.extend(sources::rate(&pool));
        found.extend(sums::under_pool(case, pool.rate));
        found.extend(references::missing_default_class(case));
        found
    }
}

impl SpecRules for EntropyClassSpec {
    const KIND: ObjectKind = ObjectKind::Class;

    fn running<'a>(tree: &ResolvedTree<'a>, name: &str) -> Option<&'a Self> {
        tree.classes.get(name).copied()
    }

    fn has_parent(&self, tree: &ResolvedTree<'_>) -> bool {
        tree.has_parent_of(self)
    }

    fn insert_into<'a>(&'a self, tree: &mut ResolvedTree<'a>, name: &'a str) {
        tree.insert_class(name, self);
    }

    fn violations(case: &Case<'_, '_, Self>) -> Vec<Violation> {
        let mut found = references::pool(case);
        match references::parent(case) {
            Some(violation) => found.push(violation),
            // Depth and sums are meaningless under an invalid parent.
            None => found.extend(tree::bounds(case).into_iter().chain(sums::within_parent(case))),
        }
        found.extend(rates::of_class(case.spec));
        found.extend(rates::of_members(case.spec));
        found.extend(sums::under_class(case));
        found
    }

    // A sum that exceeds the parent's rate is reported on the parent alone, not on each of its classes.
    fn standing_violations(case: &Case<'_, '_, Self>) -> Vec<Violation> {
        sums::under_class(case)
    }
}

/// Why an edit to `spec` would be refused; empty if it is valid. A rule that the running spec breaks already, and
/// that the edit breaks no further, is not held against the edit.
pub(crate) fn check_edit<'a, S: SpecRules>(
    tree: &ResolvedTree<'a>,
    desired: &DesiredSpecs<'a>,
    name: &'a str,
    spec: &'a S,
) -> Vec<Rejection> {
    let found = S::violations(&Case { tree, desired, name, spec });
    let running = S::running(tree, name).filter(|_| !found.is_empty());
    let before = running.map(|spec| S::violations(&Case { tree, desired, name, spec })).unwrap_or_default();
    let new = found.into_iter().filter(|violation| !before.iter().any(|earlier| earlier.covers(violation)));
    new.map(|violation| violation.rejection(S::KIND, name)).collect()
}

/// The rules that a running spec breaks without having been edited.
pub(crate) fn check_running<'a, S: SpecRules>(
    tree: &ResolvedTree<'a>,
    desired: &DesiredSpecs<'a>,
    name: &'a str,
    spec: &'a S,
) -> Vec<Rejection> {
    let found = S::standing_violations(&Case { tree, desired, name, spec });
    found.into_iter().map(|violation| violation.rejection(S::KIND, name)).collect()
}
