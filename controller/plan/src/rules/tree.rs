//! The tree of classes as a tree: no cycles, and no more of it than a node can hold.

use std::collections::BTreeSet;

use api::{EntropyClassSpec, Reason};

use super::{Case, Finding};

/// Every byte is charged at each level on its way, so a deeper tree is slower for everybody in it.
const MAX_DEPTH: usize = 32;

/// In all pools. A node's whole configuration goes to it in one message.
const MAX_CLASSES: usize = 10_000;

/// The way from a class over its parents back to itself, if there is one: "gold → paid → gold".
///
/// Where a parent does not run, the one it asks for is followed, so that two new classes that name each other
/// are told so, and not that each is unknown.
pub(super) fn cycle(case: &Case<'_, '_, EntropyClassSpec>) -> Option<String> {
    let mut way = vec![case.name];
    let mut seen = BTreeSet::new();
    let mut next = case.spec.parent.as_deref();
    while let Some(class) = next.filter(|class| seen.insert(*class)) {
        way.push(class);
        if class == case.name {
            return Some(way.join(" → "));
        }
        let running = case.world.classes.get(class);
        next = running.map_or_else(|| case.wishes.parent(class), |spec| spec.parent.as_deref());
    }
    None
}

/// How deep and how many.
pub(super) fn bounds(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Finding> {
    // The walk is bounded: below a class that runs there is no cycle, and a deeper tree is too deep already.
    let above = case.world.ancestors(case.spec.parent.as_deref()).take(2 * MAX_DEPTH).count();
    let depth = above + case.world.height(case.name);
    let deep = (depth > MAX_DEPTH).then(|| {
        let message = format!(
            "the tree would be {depth} classes deep, more than {MAX_DEPTH}: choose a parent further up"
        );
        Finding::new(Reason::TooDeep, "spec.parent", message).by(depth as u64, "")
    });
    let full = case.world.classes.len() >= MAX_CLASSES && !case.world.classes.contains_key(case.name);
    let many = full.then(|| {
        let message =
            format!("there are {MAX_CLASSES} classes already, as many as a node takes: delete one first");
        Finding::new(Reason::TooMany, "metadata.name", message)
    });
    deep.into_iter().chain(many).collect()
}
