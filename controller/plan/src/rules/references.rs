//! Names of other objects: the pool and the parent of a class, the default class of a pool.

use api::{EntropyClassSpec, EntropyPoolSpec, Reason};

use super::{Case, Finding, tree};
use crate::desired::DesiredSpecs;
use crate::rejection::{ObjectKind, Rejection};
use crate::resolved_pools::ResolvedPools;

/// The pool of a class: it exists, and is the one the class was always in.
pub(super) fn pool(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Finding> {
    let wanted = &*case.spec.pool;
    let former = case.world.classes.get(case.name).filter(|former| former.pool != *wanted);
    let moved = former.map(|former| {
        let message =
            format!("a class stays in its pool, {}: make a new class in pool {wanted} instead", former.pool);
        Finding::new(Reason::InvalidSpec, "spec.pool", message)
    });
    let unknown = (!case.world.pools.contains_key(wanted)).then(|| {
        let message = if case.wishes.has_pool(wanted) {
            format!("EntropyPool {wanted} is itself refused: mend it first")
        } else {
            format!("there is no EntropyPool {wanted}{}", instead(case.wishes.pool_names()))
        };
        Finding::new(Reason::UnknownPool, "spec.pool", message)
    });
    moved.into_iter().chain(unknown).collect()
}

/// The parent of a class: it exists, in the same pool, and not below the class itself.
pub(super) fn parent(case: &Case<'_, '_, EntropyClassSpec>) -> Option<Finding> {
    let wanted = case.spec.parent.as_deref()?;
    if let Some(cycle) = tree::cycle(case) {
        let message =
            format!("{cycle}: a class cannot be its own ancestor; give one of these another parent, or none");
        return Some(Finding::new(Reason::ParentCycle, "spec.parent", message));
    }
    let Some(parent) = case.world.classes.get(wanted) else {
        let message = unknown_class(case.world, case.wishes, wanted, &case.spec.pool, case.name);
        return Some(Finding::new(Reason::UnknownParent, "spec.parent", message));
    };
    (parent.pool != case.spec.pool).then(|| {
        let message = format!(
            "EntropyClass {wanted} is part of pool {}, not of {}: name a class of pool {}, or leave parent out",
            parent.pool, case.spec.pool, case.spec.pool
        );
        Finding::new(Reason::ParentInOtherPool, "spec.parent", message)
    })
}

/// The default class of a pool that runs, and is gone.
pub(super) fn lost_default_class(case: &Case<'_, '_, EntropyPoolSpec>) -> Option<Finding> {
    let finding = default_class_finding(case.world, case.wishes, case.name, case.spec)?;
    let message = format!("{}; until then a VM that names no class is not let in", finding.message);
    Some(Finding { message, ..finding })
}

/// The default class of a pool: it runs, in this pool.
pub(crate) fn default_class(
    world: &ResolvedPools<'_>,
    wishes: &DesiredSpecs<'_>,
    pool: &str,
    spec: &EntropyPoolSpec,
) -> Option<Rejection> {
    Some(default_class_finding(world, wishes, pool, spec)?.refusal(ObjectKind::Pool, pool))
}

fn default_class_finding(
    world: &ResolvedPools<'_>,
    wishes: &DesiredSpecs<'_>,
    pool: &str,
    spec: &EntropyPoolSpec,
) -> Option<Finding> {
    let wanted = spec.default_class.as_deref()?;
    let field = "spec.defaultClass";
    let Some(class) = world.classes.get(wanted) else {
        let message = unknown_class(world, wishes, wanted, pool, "");
        return Some(Finding::new(Reason::UnknownClass, field, message));
    };
    (class.pool != pool).then(|| {
        let message = format!(
            "EntropyClass {wanted} is part of pool {}: name a class of pool {pool}, or leave defaultClass out",
            class.pool
        );
        Finding::new(Reason::ClassInOtherPool, field, message)
    })
}

fn unknown_class(
    world: &ResolvedPools<'_>,
    wishes: &DesiredSpecs<'_>,
    wanted: &str,
    pool: &str,
    not: &str,
) -> String {
    if wishes.has_class(wanted) {
        return format!("EntropyClass {wanted} is itself refused: mend it first");
    }
    let of_pool = world.classes.iter().filter(|(name, spec)| spec.pool == pool && **name != not);
    format!("there is no EntropyClass {wanted}{}", instead(of_pool.map(|(name, _)| *name)))
}

/// What could have been meant: ": write one of a, b".
fn instead<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.take(NAMED + 1).collect();
    match names.as_slice() {
        [] => ": create it first".to_owned(),
        [only] => format!(": create it, or write {only}"),
        some if some.len() <= NAMED => format!(": create it, or write one of {}", some.join(", ")),
        some => format!(": create it, or write one of {}, …", some[..NAMED].join(", ")),
    }
}

/// How many names a message offers.
const NAMED: usize = 5;
