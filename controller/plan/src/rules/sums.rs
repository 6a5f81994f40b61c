//! Assured means assured: what is promised under a parent is within what the parent has.

use api::{EntropyClassSpec, EntropyPoolSpec, Reason};

use super::{Case, Finding};
use crate::budget::{Commitment, Holder, shown};
use crate::resolved_pools::{assured, holder};

/// The rate of a class beside what its parent has left.
pub(super) fn within_parent(case: &Case<'_, '_, EntropyClassSpec>) -> Option<Finding> {
    let rate = case.spec.rate.as_ref()?;
    let holder = holder(case.spec);
    let limit = case.world.limit(holder)?;
    let held = case.world.held.of(holder);
    let others = held.map_or(0, |held| held.sum_without(case.name));
    let left = limit.saturating_sub(others);
    let excess = rate.bytes_per_day().checked_sub(left).filter(|excess| *excess > 0)?;
    let message = match (limit, left) {
        (0, _) => format!("{rate} is assured out of what {holder} is assured, and that is nothing"),
        _ if others == 0 => format!("{rate} is more than the {} that {holder} has", shown(limit)),
        _ => format!(
            "{rate} is more than the {left} that {holder} has left ({limit} less {others}: {listed})",
            left = shown(left),
            limit = shown(limit),
            others = shown(others),
            listed = held.map(|held| held.listed_without(case.name)).unwrap_or_default(),
        ),
    };
    let instead = if left == 0 { "leave rate out" } else { "write at most that" };
    let message = format!("{message}: {instead}, or raise the rate of {holder}");
    // The sum's excess over the limit, so that an edit which lowers it is not to blame for the rest.
    let excess = excess.saturating_add(others.saturating_sub(limit));
    Some(Finding::new(Reason::RateOverParent, "spec.rate", message).by(excess, holder.to_string()))
}

/// What the classes directly under a pool hold, beside what the pool may promise.
pub(super) fn under_pool(case: &Case<'_, '_, EntropyPoolSpec>, limit: u64) -> Option<Finding> {
    let held = case.world.held.of(Holder::Pool(case.name))?;
    let whose = if case.spec.rate.is_some() { "" } else { ", what the sources give," };
    under(held, limit, whose)
}

/// What the classes directly under a class hold, beside what that is assured.
pub(super) fn under_class(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Finding> {
    let held = case.world.held.of(Holder::Class(case.name));
    held.and_then(|held| under(held, assured(case.spec), "")).into_iter().collect()
}

fn under(held: &Commitment<'_>, limit: u64, whose: &str) -> Option<Finding> {
    let sum = held.sum();
    let excess = sum.checked_sub(limit).filter(|excess| *excess > 0)?;
    let message = format!(
        "{limit}{whose} is less than the {sum} that its classes are assured ({}): write at least {sum}, or lower \
         theirs first",
        held.listed_without(""),
        limit = shown(limit),
        sum = shown(sum),
    );
    Some(Finding::new(Reason::RateOverParent, "spec.rate", message).by(excess, ""))
}
