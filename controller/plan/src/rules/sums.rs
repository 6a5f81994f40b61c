//! The rates promised under a parent do not exceed the parent's rate.

use api::{EntropyClassSpec, EntropyPoolSpec, Reason};

use super::violation::{Case, Violation};
use crate::budget::{Commitment, Parent, rounded};
use crate::effective::assured;
use crate::resolved_tree::parent_of;

/// The rate of a class fits into what its parent has left.
pub(super) fn within_parent(case: &Case<'_, '_, EntropyClassSpec>) -> Option<Violation> {
    let rate = case.spec.rate.as_ref()?;
    let parent = parent_of(case.spec);
    let limit = case.tree.limit(parent)?;
    let commitment = case.tree.budget.get(parent);
    let others = commitment.map_or(0, |commitment| commitment.sum_without(case.name));
    let left = limit.saturating_sub(others);
    let excess = rate.bytes_per_day().checked_sub(left).filter(|excess| *excess > 0)?;
    let message = match (limit, left) {
        (0, _) => format!("{rate} is more than {parent} can promise, because {parent} has no rate"),
        _ if others == 0 => format!("{rate} is more than the {} that {parent} has", rounded(limit)),
        _ => format!(
            "{rate} is more than the {left} that {parent} has left ({limit} less {others}: {list})",
            left = rounded(left),
            limit = rounded(limit),
            others = rounded(others),
            list = commitment.map(|commitment| commitment.list_without(case.name)).unwrap_or_default(),
        ),
    };
    let remedy = if left == 0 { "omit rate" } else { "write at most that" };
    let message = format!("{message}: {remedy}, or raise the rate of {parent}");
    // The excess of the whole sum, so that an edit that lowers it is not held responsible for the rest.
    let excess = excess.saturating_add(others.saturating_sub(limit));
    Some(Violation::new(Reason::RateOverParent, "spec.rate", message).by(excess, parent.to_string()))
}

/// The rates of the classes directly under a pool fit into what the pool may promise.
pub(super) fn under_pool(case: &Case<'_, '_, EntropyPoolSpec>, limit: u64) -> Option<Violation> {
    let commitment = case.tree.budget.get(Parent::Pool(case.name))?;
    let origin = if case.spec.rate.is_some() { "" } else { ", what the sources yield," };
    under(commitment, limit, origin)
}

/// The rates of the classes directly under a class fit into its rate.
pub(super) fn under_class(case: &Case<'_, '_, EntropyClassSpec>) -> Vec<Violation> {
    let commitment = case.tree.budget.get(Parent::Class(case.name));
    commitment.and_then(|commitment| under(commitment, assured(case.spec), "")).into_iter().collect()
}

fn under(commitment: &Commitment<'_>, limit: u64, origin: &str) -> Option<Violation> {
    let sum = commitment.sum();
    let excess = sum.checked_sub(limit).filter(|excess| *excess > 0)?;
    let message = format!(
        "{limit}{origin} is less than the {sum} that the classes below are assured ({}): write at least {sum}, or lower \
         their rates first",
        commitment.list_without(""),
        limit = rounded(limit),
        sum = rounded(sum),
    );
    Some(Violation::new(Reason::RateOverParent, "spec.rate", message).by(excess, ""))
}
