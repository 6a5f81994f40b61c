//! References to other objects: the pool and the parent of a class, the default class of a pool.

use api::{EntropyClassSpec, EntropyPoolSpec, Reason};

use super::tree;
use super::violation::{Case, Violation};
use crate::desired::DesiredSpecs;
use crate::rejection::{ObjectKind, Rejection};
use crate::resolved_tree::ResolvedTree;

/// The pool of a class exists, and is the one the class was in before.
pub(super) fn pool(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Violation> {
    let named = &*case.spec.pool;
    let former = case.tree.classes.get(case.name).filter(|former| former.pool != *named);
    let moved = former.map(|former| {
        let message =
            format!("a class stays in its pool, {}: create a new class in pool {named} instead", former.pool);
        Violation::new(Reason::InvalidSpec, "spec.pool", message)
    });
    let unknown = (!case.tree.pools.contains_key(named)).then(|| {
        let message = if case.desired.has_pool(named) {
            format!("EntropyPool {named} is itself refused: correct it first")
        } else {
            format!("EntropyPool {named} does not exist{}", suggestion(case.desired.pool_names()))
        };
        Violation::new(Reason::UnknownPool, "spec.pool", message)
    });
    moved.into_iter().chain(unknown).collect()
}

/// The parent of a class exists, is in the same pool, and is not below the class itself.
pub(super) fn parent(case: &Case<'_, '_, EntropyClassSpec>) -> Option<Violation> {
    let named = case.spec.parent.as_deref()?;
    if let Some(cycle) = tree::cycle(case) {
        let message =
            format!("{cycle}: a class cannot be its own ancestor: give one of these another parent, or none");
        return Some(Violation::new(Reason::ParentCycle, "spec.parent", message));
    }
    let Some(parent) = case.tree.classes.get(named) else {
        let message = unknown_class(case.tree, case.desired, named, &case.spec.pool, case.name);
        return Some(Violation::new(Reason::UnknownParent, "spec.parent", message));
    };
    (parent.pool != case.spec.pool).then(|| {
        let message = format!(
            "EntropyClass {named} is in pool {}, not in pool {}: name a class of pool {}, or omit parent",
            parent.pool, case.spec.pool, case.spec.pool
        );
        Violation::new(Reason::ParentInOtherPool, "spec.parent", message)
    })
}

/// The default class of a running pool was deleted.
pub(super) fn missing_default_class(case: &Case<'_, '_, EntropyPoolSpec>) -> Option<Violation> {
    let violation = default_class_violation(case.tree, case.desired, case.name, case.spec)?;
    let message = format!("{}; until then, VMs that name no class are not admitted", violation.message);
    Some(Violation { message, ..violation })
}

/// The default class of a pool runs, in this pool.
pub(crate) fn default_class(
    tree: &ResolvedTree<'_>,
    desired: &DesiredSpecs<'_>,
    pool: &str,
    spec: &EntropyPoolSpec,
) -> Option<Rejection> {
    Some(default_class_violation(tree, desired, pool, spec)?.rejection(ObjectKind::Pool, pool))
}

fn default_class_violation(
    tree: &ResolvedTree<'_>,
    desired: &DesiredSpecs<'_>,
    pool: &str,
    spec: &EntropyPoolSpec,
) -> Option<Violation> {
    let named = spec.default_class.as_deref()?;
    let field = "spec.defaultClass";
    let Some(class) = tree.classes.get(named) else {
        let message = unknown_class(tree, desired, named, pool, "");
        return Some(Violation::new(Reason::UnknownClass, field, message));
    };
    (class.pool != pool).then(|| {
        let message = format!(
            "EntropyClass {named} is in pool {}: name a class of pool {pool}, or omit defaultClass",
            class.pool
        );
        Violation::new(Reason::ClassInOtherPool, field, message)
    })
}

/// The message for a class that does not exist. `except` is never suggested.
fn unknown_class(
    tree: &ResolvedTree<'_>,
    desired: &DesiredSpecs<'_>,
    named: &str,
    pool: &str,
    except: &str,
) -> String {
    if desired.has_class(named) {
        return format!("EntropyClass {named} is itself refused: correct it first");
    }
    let of_pool = tree.classes.iter().filter(|(name, spec)| spec.pool == pool && **name != except);
    format!("EntropyClass {named} does not exist{}", suggestion(of_pool.map(|(name, _)| *name)))
}

/// What to do about a missing object: ": create it, or use one of a, b".
fn suggestion<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.take(SUGGESTED + 1).collect();
    match names.as_slice() {
        [] => ": create it first".to_owned(),
        [only] => format!(": create it, or use {only}"),
        some if some.len() <= SUGGESTED => format!(": create it, or use one of {}", some.join(", ")),
        some => format!(": create it, or use one of {}, …", some[..SUGGESTED].join(", ")),
    }
}

/// How many names a message suggests.
const SUGGESTED: usize = 5;
