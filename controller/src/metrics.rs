//! Figures for Prometheus, made from what is known at the moment of asking.

use std::collections::BTreeMap;

use plan::{ApplyState, Plan, Rejection};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::reflector::WatchKind;
use crate::state::SharedState;

mod families;
mod page;

pub use page::page;

use families as is;

type Labels = Vec<(&'static str, String)>;

/// All of them, in the text format.
pub(crate) fn render(world: &SharedState, leading: bool) -> String {
    let mut registry = Registry::default();
    gauge(&mut registry, &is::LEADER, leading.into());
    let serves = world.serves();
    gauge(&mut registry, &is::SERVING, serves.into());
    watches(&mut registry, world);
    reviews(&mut registry, world);
    queue(&mut registry, world);
    if let Some(planned) = &*world.plan.borrow() {
        nodes(&mut registry, world, &planned.plan);
        objects(&mut registry, &planned.plan);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

fn watches(registry: &mut Registry, world: &SharedState) {
    let index = world.store();
    let live = WatchKind::ALL
        .map(|kind| (vec![("kind", kind.as_str().to_owned())], index.progress(kind).live.into()));
    let lists = Family::<Labels, Counter>::default();
    for kind in WatchKind::ALL {
        lists.get_or_create(&vec![("kind", kind.as_str().to_owned())]).inc_by(index.progress(kind).lists);
    }
    drop(index);
    family(registry, &is::WATCH_LIVE, live);
    registry.register(is::LISTS.name, is::LISTS.help, lists);
}

fn queue(registry: &mut Registry, world: &SharedState) {
    let waiting = world.queues.waiting();
    family(registry, &is::QUEUE, waiting.map(|(of, count)| (vec![("of", of.to_owned())], count)));
}

fn reviews(registry: &mut Registry, world: &SharedState) {
    let family = Family::<Labels, Counter>::default();
    for ((hook, verdict), count) in world.reviews.counts() {
        family.get_or_create(&vec![("hook", hook.to_owned()), ("verdict", verdict.to_owned())]).inc_by(count);
    }
    registry.register(is::REVIEWS.name, is::REVIEWS.help, family);
}

/// A node counts as the worst of its pools stands.
fn nodes(registry: &mut Registry, world: &SharedState, plan: &Plan) {
    let mut states = BTreeMap::from([("away", 0), ("behind", 0), ("programmed", 0), ("refused", 0)]);
    let (fleet, mut unready) = (world.node_reports(), 0);
    for node in plan.nodes.keys() {
        let report = fleet.get(node);
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
    drop(fleet);
    let states = states.into_iter().map(|(state, count)| (vec![("state", state.to_owned())], count));
    family(registry, &is::NODES, states);
    gauge(registry, &is::UNREADY, unready);
}

fn objects(registry: &mut Registry, plan: &Plan) {
    let mut refused: BTreeMap<(String, &str), i64> = BTreeMap::new();
    let count = |all: &mut BTreeMap<_, i64>, refusal: &Rejection| {
        *all.entry((refusal.kind.to_string(), refusal.reason.as_str())).or_default() += 1;
    };
    plan.rejections().for_each(|refusal| count(&mut refused, refusal));
    let labelled = |((kind, reason), count): ((String, &str), i64)| {
        (vec![("kind", kind), ("reason", reason.to_owned())], count)
    };
    let refused = refused.into_iter().map(labelled);
    family(registry, &is::REFUSALS, refused);
    let mut standing = BTreeMap::new();
    plan.standing_problems().for_each(|refusal| count(&mut standing, refusal));
    let standing = standing.into_iter().map(labelled);
    family(registry, &is::STANDING, standing);
}

fn gauge(registry: &mut Registry, of: &is::Family, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    registry.register(of.name, of.help, gauge);
}

fn family(registry: &mut Registry, of: &is::Family, values: impl IntoIterator<Item = (Labels, i64)>) {
    let family = Family::<Labels, Gauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(of.name, of.help, family);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_has_seen_nothing_says_so() {
        let text = render(&SharedState::default(), false);
        assert!(text.contains("entropool_controller_serving 0"), "{text}");
        assert!(text.contains("entropool_controller_watch_live{kind=\"pool\"} 0"), "{text}");
    }
}
