//! Decides which specs run: all accepted ones first, then each newer one in order.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{DesiredSpec, DesiredSpecs};
use crate::rejection::Rejection;
use crate::resolved_tree::ResolvedTree;
use crate::rules::{self, SpecRules};
use crate::snapshot::ClusterNode;

/// The specs that run, and why the others do not.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    pub(crate) tree: ResolvedTree<'a>,
    pub(crate) rejected_pools: Rejections<'a>,
    pub(crate) rejected_classes: Rejections<'a>,
}

/// The objects whose newest spec does not run, by name.
pub(crate) type Rejections<'a> = BTreeMap<&'a str, Vec<Rejection>>;

/// Decides which specs run.
///
/// A pool and its default class depend on each other, so a pool is first accepted without its default class being
/// checked. A pool that turns out to have none is rejected afterwards, and everything is resolved again without
/// its edit. So a rejected edit affects nothing but its own object.
pub(crate) fn admit<'a>(
    desired: &DesiredSpecs<'a>,
    nodes: &'a BTreeMap<String, ClusterNode>,
) -> Resolved<'a> {
    let mut excluded = Rejections::new();
    let mut first_rejections = Rejections::new();
    loop {
        let mut resolved = admit_without(desired, nodes, &excluded);
        let broken = without_default_class(desired, &resolved.tree);
        if broken.is_empty() {
            restore_first_rejections(&mut resolved, &first_rejections);
            return resolved;
        }
        excluded.extend(broken);
        first_rejections.extend(resolved.rejected_classes);
    }
}

fn admit_without<'a>(
    desired: &DesiredSpecs<'a>,
    nodes: &'a BTreeMap<String, ClusterNode>,
    excluded: &Rejections<'a>,
) -> Resolved<'a> {
    let mut tree = ResolvedTree::empty(nodes);
    insert_accepted(&mut tree, desired);
    let mut pools = pending(&desired.pools, &tree);
    let mut classes = pending(&desired.classes, &tree);
    // One edit may make room for another that comes before it in the order, so the rest is tried again until
    // nothing more is accepted. A rejected spec leaves no trace in the tree.
    loop {
        let more_pools = try_pending(&mut tree, desired, &desired.pools, &mut pools, excluded);
        let more_classes =
            try_pending(&mut tree, desired, &desired.classes, &mut classes, &Rejections::new());
        if !more_pools && !more_classes {
            return Resolved { tree, rejected_pools: pools, rejected_classes: classes };
        }
    }
}

/// Inserts all accepted specs unchecked: each was valid when it was accepted and has not been edited since. A class
/// whose pool or parent was deleted is not inserted, and is checked like a new one.
fn insert_accepted<'a>(tree: &mut ResolvedTree<'a>, desired: &DesiredSpecs<'a>) {
    for candidate in &desired.pools {
        if let Some(accepted) = candidate.accepted {
            SpecRules::insert_into(&accepted.spec, tree, candidate.name);
        }
    }
    let mut by_parent: BTreeMap<Option<&str>, Vec<_>> = BTreeMap::new();
    for candidate in &desired.classes {
        if let Some(accepted) = candidate.accepted {
            let parent = accepted.spec.parent.as_deref();
            by_parent.entry(parent).or_default().push((candidate.name, &accepted.spec));
        }
    }
    let mut ready = by_parent.remove(&None).unwrap_or_default();
    while let Some((name, spec)) = ready.pop() {
        if tree.has_parent_of(spec) {
            tree.insert_class(name, spec);
            ready.extend(by_parent.remove(&Some(name)).unwrap_or_default());
        }
    }
}

/// The objects with a spec that is not in the tree yet.
fn pending<'a, S: SpecRules>(candidates: &[DesiredSpec<'a, S>], tree: &ResolvedTree<'a>) -> Rejections<'a> {
    let pending = candidates
        .iter()
        .filter(|candidate| candidate.is_new() || S::running(tree, candidate.name).is_none());
    pending.map(|candidate| (candidate.name, Vec::new())).collect()
}

/// Tries all pending objects of one kind once. Returns whether any was inserted.
fn try_pending<'a, S: SpecRules>(
    tree: &mut ResolvedTree<'a>,
    desired: &DesiredSpecs<'a>,
    candidates: &[DesiredSpec<'a, S>],
    pending: &mut Rejections<'a>,
    excluded: &Rejections<'a>,
) -> bool {
    let mut progress = false;
    let tried: Vec<_> = candidates.iter().filter(|candidate| pending.contains_key(candidate.name)).collect();
    for candidate in tried {
        let rejections = match excluded.get(candidate.name) {
            Some(rejections) => rejections.clone(),
            None => rules::check_edit(tree, desired, candidate.name, candidate.spec),
        };
        if rejections.is_empty() {
            candidate.spec.insert_into(tree, candidate.name);
            pending.remove(candidate.name);
            progress = true;
        } else {
            pending.insert(candidate.name, rejections);
            progress |= insert_accepted_again(tree, desired, candidate);
        }
    }
    progress
}

/// Inserts the accepted spec of an object that is not in the tree, if its pool and parent are there again.
fn insert_accepted_again<'a, S: SpecRules>(
    tree: &mut ResolvedTree<'a>,
    desired: &DesiredSpecs<'a>,
    candidate: &DesiredSpec<'a, S>,
) -> bool {
    let Some(accepted) = candidate.accepted.filter(|_| S::running(tree, candidate.name).is_none()) else {
        return false;
    };
    let valid = rules::check_edit(tree, desired, candidate.name, &accepted.spec).is_empty();
    if valid {
        accepted.spec.insert_into(tree, candidate.name);
    }
    valid
}

/// The pools whose newer spec was inserted and names a default class that was not.
fn without_default_class<'a>(desired: &DesiredSpecs<'a>, tree: &ResolvedTree<'a>) -> Rejections<'a> {
    let changed = desired.pools.iter().filter(|candidate| {
        let before = candidate.accepted.and_then(|accepted| accepted.spec.default_class.as_ref());
        before != candidate.spec.default_class.as_ref()
    });
    let inserted = changed.filter(|candidate| {
        tree.pools.get(candidate.name).is_some_and(|pool| std::ptr::eq(pool.layout.spec, candidate.spec))
    });
    let rejection = |candidate: &DesiredSpec<'a, _>| {
        Some((candidate.name, vec![rules::default_class(tree, desired, candidate.name, candidate.spec)?]))
    };
    inserted.filter_map(rejection).collect()
}

/// A class that was rejected because of its own spec, and then again because its pool was rejected, reports the first
/// reason.
fn restore_first_rejections<'a>(resolved: &mut Resolved<'a>, first: &Rejections<'a>) {
    let rejected: BTreeSet<&str> = resolved.rejected_classes.keys().copied().collect();
    for (name, rejections) in first.iter().filter(|(name, _)| rejected.contains(*name)) {
        resolved.rejected_classes.insert(name, rejections.clone());
    }
}
