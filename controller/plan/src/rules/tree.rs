//! The classes form a tree without cycles, no larger than a node can hold.

use std::collections::BTreeSet;

use api::{EntropyClassSpec, Reason};

use super::violation::{Case, Violation};

/// Every byte is charged at each level of its path, so a deeper tree slows down all VMs in it.
const MAX_DEPTH: usize = 32;

/// In all pools. A node's whole configuration is sent in one message.
const MAX_CLASSES: usize = 10_000;

/// The path from a class over its parents back to itself, if there is one: "gold → paid → gold".
///
/// Where a parent does not run, its desired parent is followed, so that two new classes that name each other
/// are reported as a cycle, not as unknown parents.
pub(super) fn cycle(case: &Case<'_, '_, EntropyClassSpec>) -> Option<String> {
    let mut path = vec![case.name];
    let mut seen = BTreeSet::new();
    let mut next = case.spec.parent.as_deref();
    while let Some(class) = next.filter(|class| seen.insert(*class)) {
        path.push(class);
        if class == case.name {
            return Some(path.join(" → "));
        }
        let running = case.tree.classes.get(class);
        next = running.map_or_else(|| case.desired.parent(class), |spec| spec.parent.as_deref());
    }
    None
}

/// The limits on depth and number.
pub(super) fn bounds(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Violation> {
    // The walk is bounded: a running class is in no cycle, and a deeper tree is too deep already.
    let above = case.tree.ancestors(case.spec.parent.as_deref()).take(2 * MAX_DEPTH).count();
    let depth = above + case.tree.height(case.name);
    let deep = (depth > MAX_DEPTH).then(|| {
        let message = format!(
            "the tree would be {depth} classes deep, and the limit is {MAX_DEPTH}: choose a parent further up"
        );
        Violation::new(Reason::TooDeep, "spec.parent", message).by(depth as u64, "")
    });
    let full = case.tree.classes.len() >= MAX_CLASSES && !case.tree.classes.contains_key(case.name);
    let many = full.then(|| {
        let message = format!(
            "there are {MAX_CLASSES} classes already, the most that a node can hold: delete one first"
        );
        Violation::new(Reason::TooMany, "metadata.name", message)
    });
    deep.into_iter().chain(many).collect()
}
