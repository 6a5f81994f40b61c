//! Metrics for Prometheus, computed from the state at the moment of a scrape.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use plan::{ApplyState, Plan, Rejection};
use telemetry::{Family, Samples};

use crate::reflector::WatchKind;
use crate::state::SharedState;

pub use families::page;

/// All metrics as text.
pub(crate) fn render(
    state: &SharedState,
    leading: bool,
    certificate_expiry: Option<i64>,
) -> Result<String, fmt::Error> {
    let mut samples = Samples::default();
    samples.integer(&families::LEADER, &[], leading.into());
    samples.integer(&families::SERVING, &[], state.serves().into());
    watches(&mut samples, state);
    for ((hook, verdict), count) in state.reviews.counts() {
        samples.counter(&families::REVIEWS, &[hook, verdict], count);
    }
    for (hook, durations) in state.reviews.durations() {
        samples.histogram(&families::REVIEW_SECONDS, &[hook], durations);
    }
    if let Some(expiry) = certificate_expiry {
        samples.integer(&families::CERTIFICATE, &[], expiry);
    }
    for (queue, length) in state.queues.waiting() {
        samples.integer(&families::QUEUE, &[queue], length);
    }
    if let Some(planned) = &*state.plan.borrow() {
        nodes(&mut samples, state, &planned.plan);
        full_classes(&mut samples, state, &planned.plan);
        rejections(&mut samples, &families::REFUSALS, planned.plan.rejections());
        rejections(&mut samples, &families::PROBLEMS, planned.plan.standing_problems());
    }
    samples.program("entropool-controller", env!("CARGO_PKG_VERSION"));
    telemetry::encode(families::FAMILIES, samples)
}

fn watches(samples: &mut Samples, state: &SharedState) {
    let store = state.store();
    for kind in WatchKind::ALL {
        let progress = store.progress(kind);
        samples.integer(&families::WATCH_LIVE, &[kind.as_str()], progress.live.into());
        samples.counter(&families::LISTS, &[kind.as_str()], progress.lists);
    }
}

/// A node counts as the worst of its pools.
fn nodes(samples: &mut Samples, state: &SharedState, plan: &Plan) {
    let mut states = BTreeMap::from([("away", 0), ("behind", 0), ("programmed", 0), ("refused", 0)]);
    let (node_reports, mut unready) = (state.node_reports(), 0);
    for node in plan.nodes.keys() {
        let report = node_reports.get(node);
        unready += i64::from(report.is_some_and(|report| report.connected && !report.ready));
        let mut pools = report.iter().flat_map(|report| report.pools.values());
        let state = match report {
            Some(report) if report.connected => {
                if pools.clone().any(|pool| matches!(pool.apply_state, ApplyState::Refused(_))) {
                    "refused"
                } else if pools.all(|pool| pool.apply_state == ApplyState::Running) {
                    "programmed"
                } else {
                    "behind"
                }
            }
            _ => "away",
        };
        *states.entry(state).or_default() += 1;
    }
    for (state, count) in states {
        samples.integer(&families::NODES, &[state], count);
    }
    samples.integer(&families::UNREADY, &[], unready);
}

fn full_classes(samples: &mut Samples, state: &SharedState, plan: &Plan) {
    let pools = plan.nodes.values().flat_map(|node| &node.pools);
    let classes = pools.flat_map(|pool| pool.classes.iter().map(|class| (&*pool.name, &*class.name)));
    let reports = state.node_reports();
    for (pool, class) in classes.collect::<BTreeSet<_>>() {
        if let Some(full) = plan::is_full(plan, &reports, pool, class, None) {
            samples.integer(&families::CLASS_FULL, &[pool, class], full.into());
        }
    }
}

fn rejections<'a>(
    samples: &mut Samples,
    family: &'static Family,
    rejections: impl Iterator<Item = &'a Rejection>,
) {
    let mut counts: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for rejection in rejections {
        *counts.entry((rejection.kind.to_string(), rejection.reason.as_str())).or_default() += 1;
    }
    for ((kind, reason), count) in counts {
        samples.integer(family, &[&kind, reason], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_has_listed_nothing_does_not_serve() {
        let text = render(&SharedState::default(), false, Some(1_800_000_000)).expect("a string takes it");
        assert!(text.contains("entropool_controller_serving 0"), "{text}");
        assert!(text.contains("entropool_controller_watch_live{kind=\"pool\"} 0"), "{text}");
        let expiry = "entropool_controller_certificate_expiration_timestamp_seconds 1800000000\n";
        assert!(text.contains(expiry), "{text}");
        assert!(text.contains("entropool_build_info{program=\"entropool-controller\",version="), "{text}");
    }
}
