//! The values of all series at one instant.

use dataplane::{
    ClassSnapshot, Closed, Level, LimitAt, LimitHits, PoolSnapshot, Snapshot, SourcesSnapshot, VmSnapshot,
    WaitHistogram,
};
use delivery::{NodeConfig, WatchedKind};
use proto::local as wire;

use super::family::{self as is, Family};
use crate::agent::AppliedConfig;
use crate::api::sources;
use crate::config::orphans::is_orphaned;
use crate::health::HealthCondition;

/// A VM that has waited for longer has a series of its own.
const LONG: u64 = 10_000_000_000;
/// So many VMs have one at most.
const MOST: usize = 50;
/// Who waits so long for what it is assured does not get it.
const LATE: u64 = 1_000_000_000;
const SECONDS_A_DAY: f64 = 86_400.0;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) family: &'static Family,
    /// As many as the family has labels, in their order; an empty one is left out.
    pub(super) labels: Vec<String>,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Count(u64),
    Level(f64),
    Waits(WaitHistogram),
}

/// What the samples are taken of.
#[derive(Debug)]
pub(super) struct ScrapeInput<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) sources: &'a SourcesSnapshot,
    pub(super) config: &'a NodeConfig,
    pub(super) in_force: &'a AppliedConfig,
    pub(super) disorder: &'a HealthCondition,
}

/// Samples in the making.
#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn add(&mut self, family: &'static Family, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.0.push(Sample { family, labels, value });
    }

    fn count(&mut self, family: &'static Family, labels: &[&str], count: u64) {
        self.add(family, labels, Value::Count(count));
    }

    fn level(&mut self, family: &'static Family, labels: &[&str], level: f64) {
        self.add(family, labels, Value::Level(level));
    }
}

/// All series.
pub(super) fn samples(sight: &ScrapeInput<'_>) -> Vec<Sample> {
    let mut samples = Samples::default();
    for pool in &sight.snapshot.pools {
        samples.pool(pool);
        let orphaned = pool.vms.iter().filter(|vm| is_orphaned(vm, &pool.name, sight.config)).count();
        samples.level(&is::ORPHANED, &[&pool.name], number(orphaned));
        samples.output(pool, sight);
        pool.classes.iter().for_each(|class| samples.class(pool, class, sight.snapshot.now.0));
    }
    for source in sources::list(sight.config, sight.sources) {
        samples.source(&source);
    }
    samples.long_waiting(sight.snapshot);
    samples.count(&is::UNSOLICITED, &[], sight.snapshot.counters.unsolicited);
    samples.closed(sight.snapshot.counters.closed);
    samples.limit_hits(sight.snapshot.counters.limit_hits);
    if let Some(age) = sight.in_force.age {
        samples.level(&is::CONFIG_AGE, &[], seconds(age));
    }
    samples.count(&is::CONFIGS, &[], sight.in_force.applied);
    samples.count(&is::CONFIG_ROLLBACKS, &[], sight.in_force.rolled_back);
    samples.level(&is::WRITABLE, &[], truth(sight.disorder.unwritable.is_none()));
    samples.count(&is::HANGS, &[], sight.disorder.hangs);
    // Of kinds that only a newer peer knows there is no name.
    let named = |kind: &WatchedKind| {
        [WatchedKind::POOLS, WatchedKind::CLASSES, WatchedKind::NAMESPACES, WatchedKind::NODES].contains(kind)
    };
    for (kind, newest) in sight.in_force.version.seen().filter(|(kind, _)| named(kind)) {
        samples.level(&is::CONFIG_VERSION, &[kind.word()], wide(newest));
    }
    samples.0
}

impl Samples {
    fn pool(&mut self, pool: &PoolSnapshot) {
        let name = pool.name.as_str();
        let (params, stats) = (&pool.node.params, &pool.node.stats);
        let promised = pool.classes.iter().filter(|class| class.parent.is_none());
        let promised = promised.map(|class| class.node.params.rate.0).sum();
        self.level(&is::CONNECTIONS, &[name], number(pool.vms.iter().map(|vm| vm.connections).sum()));
        self.count(&is::SERVED, &[name], stats.bytes);
        self.level(&is::POOL_RATE, &[name], per_second(params.rate.0));
        self.level(&is::POOL_CEIL, &[name], per_second(params.ceil.0));
        if let Some(ratio) = ratio(promised, params.rate.0) {
            self.level(&is::POOL_ASSURED, &[name], ratio);
        }
        self.level(&is::BUFFER, &[name], wide(pool.buffer));
        for (whose, overlimits) in
            [("pool", stats.overlimits), ("namespace", pool.overlimits.namespace), ("vm", pool.overlimits.vm)]
        {
            self.count(&is::OVERLIMITS, &[name, whose, ""], overlimits);
        }
    }

    fn output(&mut self, pool: &PoolSnapshot, sight: &ScrapeInput<'_>) {
        let name = pool.name.as_str();
        let (output, healthy, all) = sources::stand(name, sight.config, sight.sources);
        for (state, serving) in [
            ("promised", wire::Serving::Promised),
            ("degraded", wire::Serving::Degraded),
            ("held", wire::Serving::Held),
            ("starting", wire::Serving::Starting),
        ] {
            self.level(&is::SERVING, &[name, state], truth(output.served() == serving));
        }
        self.level(&is::SOURCES, &[name], number(all));
        self.level(&is::SOURCES_HEALTHY, &[name], number(healthy));
    }

    fn class(&mut self, pool: &PoolSnapshot, class: &ClassSnapshot, now: u64) {
        let of = [pool.name.as_str(), class.name.as_str()];
        let (params, stats) = (&class.node.params, &class.node.stats);
        let members: Vec<_> = pool.vms.iter().filter(|vm| vm.class == class.name).collect();
        let below = pool.classes.iter().filter(|below| below.parent.as_deref() == Some(of[1]));
        let promised = class.assured.0 + below.map(|below| below.node.params.rate.0).sum::<u64>();
        self.level(&is::VMS, &of, number(class.vms));
        self.count(&is::CLASS_SERVED, &of, stats.bytes);
        self.count(&is::BORROWED, &of, stats.borrowed);
        self.add(&is::WAIT, &of, Value::Waits(class.waits));
        self.level(&is::OWED, &of, wide(members.iter().map(|vm| vm.owed).sum()));
        self.level(&is::CLASS_RATE, &of, per_second(params.rate.0));
        self.level(&is::CLASS_CEIL, &of, per_second(params.ceil.0));
        if let Some(ratio) = ratio(promised, params.rate.0) {
            self.level(&is::CLASS_ASSURED, &of, ratio);
        }
        self.count(&is::OVERLIMITS, &[of[0], "class", of[1]], stats.overlimits);
        let late = members.iter().filter(|vm| is_late(vm, now)).count();
        self.level(&is::ASSURED_WAITING, &of, number(late));
        for word in ["rate", "ceil", "supply"] {
            let waiting = members.iter().filter(|vm| limit(vm) == Some(word)).count();
            self.level(&is::WAITING, &[of[0], of[1], word], number(waiting));
        }
    }

    fn source(&mut self, source: &wire::Source) {
        let of = [source.pool.as_str(), source.name.as_str()];
        self.level(&is::UP, &of, truth(source.state() == wire::SourceState::Healthy));
        self.level(&is::DRAWN, &of, truth(source.active));
        let Some(stats) = &source.stats else { return };
        self.count(&is::BYTES_IN, &of, stats.bytes_in);
        self.count(&is::CREDITED, &of, stats.bytes_credited);
        for (test, failures) in [
            ("repetition_count", stats.repetition_count),
            ("adaptive_proportion", stats.adaptive_proportion),
            ("block_tests", stats.block_tests),
            ("lost", stats.lost),
        ] {
            self.count(&is::FAILURES, &[of[0], of[1], test], failures);
        }
    }

    fn long_waiting(&mut self, snapshot: &Snapshot) {
        let all = snapshot.pools.iter().flat_map(|pool| pool.vms.iter().map(move |vm| (pool, vm)));
        let waited = |vm: &VmSnapshot| Some(snapshot.now.0.saturating_sub(vm.waiting.as_ref()?.since.0));
        let mut long: Vec<_> = all.filter_map(|(pool, vm)| Some((waited(vm)?, pool, vm))).collect();
        long.retain(|(waited, ..)| *waited > LONG);
        long.sort_by_key(|(waited, ..)| std::cmp::Reverse(*waited));
        for (waited, pool, vm) in long.into_iter().take(MOST) {
            let labels = [&pool.name, &vm.class, &vm.namespace, &vm.id].map(String::as_str);
            let labels = [&labels[..], &[limit(vm).unwrap_or_default()]].concat();
            self.level(&is::VM_WAITING, &labels, seconds(waited));
        }
    }

    fn limit_hits(&mut self, limit_hits: LimitHits) {
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
            self.count(&is::LIMIT_HITS, &[limit], count);
        }
    }

    fn closed(&mut self, closed: Closed) {
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
            self.count(&is::CLOSED, &[reason], count);
        }
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

/// Whether it waits though it has assured bytes to come.
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

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 nobody reads the last digit of a gauge")]
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
