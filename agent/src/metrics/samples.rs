//! The values of all series at one instant.

use dataplane::{
    ClassSnapshot, Closed, DataPlaneSnapshot, Level, LimitAt, LimitHits, PoolSnapshot, SourcesSnapshot,
    VmSnapshot, WAIT_BOUNDS, WaitHistogram,
};
use delivery::{NodeConfig, WatchedKind};
use proto::local as wire;

use telemetry::{Histogram, Samples};

use super::families;
use crate::agent::AppliedConfig;
use crate::api::sources;
use crate::config::orphans::is_orphaned;
use crate::health::HealthCondition;

/// A VM that has waited longer than this has its own series.
const LONG: u64 = 10_000_000_000;
/// The maximum number of such series.
const MOST: usize = 50;
/// A VM that waits this long for assured bytes does not get its rate.
const LATE: u64 = 1_000_000_000;
const SECONDS_A_DAY: f64 = 86_400.0;

/// The data that the samples are computed from.
#[derive(Debug)]
pub(super) struct ScrapeInput<'a> {
    pub(super) snapshot: &'a DataPlaneSnapshot,
    pub(super) sources: &'a SourcesSnapshot,
    pub(super) config: &'a NodeConfig,
    pub(super) in_force: &'a AppliedConfig,
    pub(super) disorder: &'a HealthCondition,
}

/// All series.
pub(super) fn samples(sight: &ScrapeInput<'_>) -> Samples {
    let mut samples = Samples::default();
    for pool in &sight.snapshot.pools {
        add_pool(&mut samples, pool);
        let orphaned = pool.vms.iter().filter(|vm| is_orphaned(vm, &pool.name, sight.config)).count();
        samples.gauge(&families::ORPHANED, &[&pool.name], number(orphaned));
        add_output(&mut samples, pool, sight);
        pool.classes.iter().for_each(|class| add_class(&mut samples, pool, class, sight.snapshot.now.0));
    }
    for source in sources::list(sight.config, sight.sources) {
        add_source(&mut samples, &source);
    }
    add_long_waiting(&mut samples, sight.snapshot);
    samples.counter(&families::UNSOLICITED, &[], sight.snapshot.counters.unsolicited);
    add_closed(&mut samples, sight.snapshot.counters.closed);
    add_limit_hits(&mut samples, sight.snapshot.counters.limit_hits);
    if let Some(age) = sight.in_force.age {
        samples.gauge(&families::CONFIG_AGE, &[], seconds(age));
    }
    samples.counter(&families::CONFIGS, &[], sight.in_force.applied);
    samples.counter(&families::CONFIG_ROLLBACKS, &[], sight.in_force.rolled_back);
    samples.gauge(
        &families::WRITABLE,
        &[],
        truth(sight.disorder.unwritable.is_none() && sight.disorder.health_unwritable.is_none()),
    );
    samples.counter(&families::HANGS, &[], sight.disorder.hangs);
    // A kind that only a newer peer knows has no name here.
    let named = |kind: &WatchedKind| {
        [WatchedKind::POOLS, WatchedKind::CLASSES, WatchedKind::NAMESPACES, WatchedKind::NODES].contains(kind)
    };
    for (kind, newest) in sight.in_force.version.seen().filter(|(kind, _)| named(kind)) {
        samples.gauge(&families::CONFIG_VERSION, &[kind.as_str()], wide(newest));
    }
    samples
}

fn add_pool(samples: &mut Samples, pool: &PoolSnapshot) {
    let name = pool.name.as_str();
    let (params, stats) = (&pool.node.params, &pool.node.stats);
    let promised = pool.classes.iter().filter(|class| class.parent.is_none());
    let promised = promised.map(|class| class.node.params.rate.0).sum();
    samples.gauge(&families::CONNECTIONS, &[name], number(pool.vms.iter().map(|vm| vm.connections).sum()));
    samples.counter(&families::SERVED, &[name], stats.bytes);
    samples.gauge(&families::POOL_RATE, &[name], per_second(params.rate.0));
    samples.gauge(&families::POOL_CEIL, &[name], per_second(params.ceil.0));
    if let Some(ratio) = ratio(promised, params.rate.0) {
        samples.gauge(&families::POOL_ASSURED, &[name], ratio);
    }
    samples.gauge(&families::BUFFER, &[name], wide(pool.buffer));
    for (whose, overlimits) in
        [("pool", stats.overlimits), ("namespace", pool.overlimits.namespace), ("vm", pool.overlimits.vm)]
    {
        samples.counter(&families::OVERLIMITS, &[name, whose, ""], overlimits);
    }
}

fn add_output(samples: &mut Samples, pool: &PoolSnapshot, sight: &ScrapeInput<'_>) {
    let name = pool.name.as_str();
    let (output, healthy, all) = sources::output(name, sight.config, sight.sources);
    for (state, serving) in [
        ("promised", wire::Serving::Promised),
        ("degraded", wire::Serving::Degraded),
        ("held", wire::Serving::Held),
        ("starting", wire::Serving::Starting),
    ] {
        samples.gauge(&families::SERVING, &[name, state], truth(output.serving() == serving));
    }
    samples.gauge(&families::SOURCES, &[name], number(all));
    samples.gauge(&families::SOURCES_HEALTHY, &[name], number(healthy));
}

fn add_class(samples: &mut Samples, pool: &PoolSnapshot, class: &ClassSnapshot, now: u64) {
    let of = [pool.name.as_str(), class.name.as_str()];
    let (params, stats) = (&class.node.params, &class.node.stats);
    let members: Vec<_> = pool.vms.iter().filter(|vm| vm.class == class.name).collect();
    let below = pool.classes.iter().filter(|below| below.parent.as_deref() == Some(of[1]));
    let promised = class.assured.0 + below.map(|below| below.node.params.rate.0).sum::<u64>();
    samples.gauge(&families::VMS, &of, number(class.vms));
    samples.counter(&families::CLASS_SERVED, &of, stats.bytes);
    samples.counter(&families::BORROWED, &of, stats.borrowed);
    samples.histogram(&families::WAIT, &of, histogram(&class.waits));
    samples.gauge(&families::OWED, &of, wide(members.iter().map(|vm| vm.owed).sum()));
    samples.gauge(&families::CLASS_RATE, &of, per_second(params.rate.0));
    samples.gauge(&families::CLASS_CEIL, &of, per_second(params.ceil.0));
    if let Some(ratio) = ratio(promised, params.rate.0) {
        samples.gauge(&families::CLASS_ASSURED, &of, ratio);
    }
    samples.counter(&families::OVERLIMITS, &[of[0], "class", of[1]], stats.overlimits);
    let late = members.iter().filter(|vm| is_late(vm, now)).count();
    samples.gauge(&families::ASSURED_WAITING, &of, number(late));
    for word in ["rate", "ceil", "supply"] {
        let waiting = members.iter().filter(|vm| limit(vm) == Some(word)).count();
        samples.gauge(&families::WAITING, &[of[0], of[1], word], number(waiting));
    }
}

fn add_source(samples: &mut Samples, source: &wire::Source) {
    let of = [source.pool.as_str(), source.name.as_str()];
    samples.gauge(&families::UP, &of, truth(source.state() == wire::SourceState::Healthy));
    samples.gauge(&families::ACTIVE, &of, truth(source.active));
    let Some(stats) = &source.stats else { return };
    samples.counter(&families::BYTES_IN, &of, stats.bytes_in);
    samples.counter(&families::CREDITED, &of, stats.bytes_credited);
    let failures = stats.failures.unwrap_or_default();
    for (test, failures) in [
        ("repetition_count", failures.repetition_count),
        ("adaptive_proportion", failures.adaptive_proportion),
        ("block_tests", failures.block_tests),
        ("structure", failures.structure),
        ("lost", failures.lost),
    ] {
        samples.counter(&families::FAILURES, &[of[0], of[1], test], failures);
    }
}

fn add_long_waiting(samples: &mut Samples, snapshot: &DataPlaneSnapshot) {
    let all = snapshot.pools.iter().flat_map(|pool| pool.vms.iter().map(move |vm| (pool, vm)));
    let waited = |vm: &VmSnapshot| Some(snapshot.now.0.saturating_sub(vm.waiting.as_ref()?.since.0));
    let mut long: Vec<_> = all.filter_map(|(pool, vm)| Some((waited(vm)?, pool, vm))).collect();
    long.retain(|(waited, ..)| *waited > LONG);
    long.sort_by_key(|(waited, ..)| std::cmp::Reverse(*waited));
    for (waited, pool, vm) in long.into_iter().take(MOST) {
        let labels = [&pool.name, &vm.class, &vm.namespace, &vm.id].map(String::as_str);
        let labels = [&labels[..], &[limit(vm).unwrap_or_default()]].concat();
        samples.gauge(&families::VM_WAITING, &labels, seconds(waited));
    }
}

fn add_limit_hits(samples: &mut Samples, limit_hits: LimitHits) {
    let LimitHits { delayed, replaced, unanswered, flooding, stalled, garbage, deferred } = limit_hits;
    for (limit, count) in [
        ("delayed", delayed),
        ("replaced", replaced),
        ("unanswered", unanswered),
        ("flooding", flooding),
        ("stalled", stalled),
        ("garbage", garbage),
        ("deferred", deferred),
    ] {
        samples.counter(&families::LIMIT_HITS, &[limit], count);
    }
}

fn add_closed(samples: &mut Samples, closed: Closed) {
    let Closed { ended, unknown_command, too_many_runs, replaced, stalled, flooding, broken, detached } =
        closed;
    for (reason, count) in [
        ("ended", ended),
        ("unknown_command", unknown_command),
        ("too_many_runs", too_many_runs),
        ("replaced", replaced),
        ("stalled", stalled),
        ("flooding", flooding),
        ("broken", broken),
        ("detached", detached),
    ] {
        samples.counter(&families::CLOSED, &[reason], count);
    }
}

/// What a VM waits for, if it waits.
fn limit(vm: &VmSnapshot) -> Option<&'static str> {
    Some(match vm.waiting.as_ref()?.limit {
        LimitAt::Rate => "rate",
        LimitAt::Ceil(Level::Vm | Level::Namespace | Level::Class(_) | Level::Pool) => "ceil",
        LimitAt::Supply => "supply",
    })
}

/// Whether it waits although assured bytes are due.
fn is_late(vm: &VmSnapshot, now: u64) -> bool {
    let assured = vm.node.params.rate.0 > 0 && vm.node.stats.mode == htb::Mode::CanSend;
    let waits = vm.waiting.as_ref().is_some_and(|waiting| now.saturating_sub(waiting.since.0) > LATE);
    assured && waits
}

fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn number(count: usize) -> f64 {
    wide(count as u64)
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the last digit of a gauge does not matter")]
fn wide(count: u64) -> f64 {
    count as f64
}

fn seconds(nanoseconds: u64) -> f64 {
    wide(nanoseconds) / 1e9
}

fn per_second(bytes_per_day: u64) -> f64 {
    wide(bytes_per_day) / SECONDS_A_DAY
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| wide(part) / wide(whole))
}

#[expect(clippy::cast_precision_loss, reason = "seconds; the last nanosecond of a year does not matter")]
fn histogram(waits: &WaitHistogram) -> Histogram {
    let bounds = WAIT_BOUNDS.iter().map(|bound| *bound as f64 / 1e9).chain([f64::INFINITY]);
    Histogram {
        buckets: bounds.zip(waits.counts).collect(),
        sum: waits.sum as f64 / 1e9,
        count: waits.count(),
    }
}
