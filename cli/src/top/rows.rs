//! The rows of `top`: the nodes of the tree with the rates of one interval.

use proto::local::{Class, Counters, NodeKind, Pool, Shape, Vm};
use serde::Serialize;

use super::intervals::Interval;
use crate::output::{Table, configured_rate, depth, measured_rate, name, seconds};

pub(super) const NO_POOLS: &str = "No pools are served.";

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TopRow {
    pub(super) kind: NodeKind,
    pub(super) name: String,
    pub(super) pool: String,
    /// The number of nodes above it.
    pub(super) depth: usize,
    /// Bytes per second during the interval.
    pub(super) rate_now: f64,
    /// The part of it that was borrowed from an ancestor.
    pub(super) borrowed_now: f64,
    #[serde(flatten)]
    pub(super) shape: Shape,
    pub(super) waiting: u32,
    pub(super) vms: u32,
}

pub(super) fn rows(interval: &Interval, with_vms: bool) -> Vec<TopRow> {
    interval.later.pools.iter().flat_map(|pool| pool_rows(interval, pool, with_vms)).collect()
}

pub(super) fn table(rows: &[TopRow]) -> Table {
    let mut table =
        Table::new(&["POOL/CLASS", ">RATE NOW", ">RATE", ">CEIL", ">BORROWED", ">WAITING", ">VMS"]);
    for row in rows {
        table.row([
            format!("{}{}", "  ".repeat(row.depth), row.name),
            measured_rate(row.rate_now),
            configured_rate(row.shape.rate),
            configured_rate(row.shape.ceil),
            measured_rate(row.borrowed_now),
            row.waiting.to_string(),
            if row.kind == NodeKind::Vm { String::new() } else { row.vms.to_string() },
        ]);
    }
    table
}

/// A pool and everything below it.
fn pool_rows(interval: &Interval, pool: &Pool, with_vms: bool) -> Vec<TopRow> {
    let before = interval.earlier.pools.iter().find(|other| other.name == pool.name);
    let (rate_now, _) = rates(interval, before.and_then(|pool| pool.counters), pool.counters);
    let mut rows = vec![TopRow {
        kind: NodeKind::Pool,
        name: name(&pool.name, pool.deleted),
        pool: pool.name.clone(),
        depth: 0,
        rate_now,
        borrowed_now: 0.0,
        shape: pool.shape.unwrap_or_default(),
        waiting: pool.waiting,
        vms: pool.vms,
    }];
    let classes = interval.later.classes.iter().filter(|class| class.pool == pool.name);
    rows.extend(classes.flat_map(|class| class_rows(interval, class, with_vms)));
    rows
}

/// A class and, if they are wanted, its VMs.
fn class_rows(interval: &Interval, class: &Class, with_vms: bool) -> Vec<TopRow> {
    let same = |other: &&Class| other.pool == class.pool && other.name == class.name;
    let before = interval.earlier.classes.iter().find(same).and_then(|class| class.counters);
    let (rate_now, borrowed_now) = rates(interval, before, class.counters);
    let depth = 1 + depth(class, &interval.later.classes);
    let mut rows = vec![TopRow {
        kind: NodeKind::Class,
        name: name(&class.name, class.deleted),
        pool: class.pool.clone(),
        depth,
        rate_now,
        borrowed_now,
        shape: class.shape.unwrap_or_default(),
        waiting: class.waiting,
        vms: class.vms,
    }];
    if with_vms {
        let vms = interval.later.vms.iter().filter(|vm| vm.pool == class.pool && vm.class == class.name);
        rows.extend(vms.map(|vm| vm_row(interval, vm, depth + 1)));
    }
    rows
}

fn vm_row(interval: &Interval, vm: &Vm, depth: usize) -> TopRow {
    let before = interval.earlier.vms.iter().find(|other| other.name == vm.name);
    let (rate_now, borrowed_now) = rates(interval, before.and_then(|vm| vm.counters), vm.counters);
    TopRow {
        kind: NodeKind::Vm,
        name: vm.name.clone(),
        pool: vm.pool.clone(),
        depth,
        rate_now,
        borrowed_now,
        shape: vm.shape.unwrap_or_default(),
        waiting: vm.waiting.is_some().into(),
        vms: 1,
    }
}

/// Bytes per second, and how many of them were borrowed. A node that is new has counted from zero.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn rates(interval: &Interval, before: Option<Counters>, now: Option<Counters>) -> (f64, f64) {
    let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
    let time = seconds(interval.nanoseconds());
    let rate =
        |before: u64, now: u64| if time > 0.0 { now.saturating_sub(before) as f64 / time } else { 0.0 };
    (rate(before.bytes, now.bytes), rate(before.borrowed, now.borrowed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::output::samples;

    fn second() -> Interval {
        let earlier = samples::tree();
        let mut later = samples::tree();
        later.now += 1_000_000_000;
        let count = |counters: &mut Option<Counters>, bytes, borrowed| {
            let counters = counters.as_mut().unwrap();
            counters.bytes += bytes;
            counters.borrowed += borrowed;
        };
        count(&mut later.pools[0].counters, 32_768, 0);
        count(&mut later.classes[0].counters, 12_288, 8_192);
        for class in &mut later.classes[1..3] {
            count(&mut class.counters, 20_480, 0);
        }
        count(&mut later.vms[1].counters, 20_480, 0);
        Interval { earlier, later }
    }

    fn text(with_vms: bool) -> String {
        table(&rows(&second(), with_vms)).or(NO_POOLS)
    }

    #[test]
    fn rates_are_those_of_the_interval() {
        insta::assert_snapshot!(text(false));
    }

    #[test]
    fn vms_are_shown_below_their_classes() {
        insta::assert_snapshot!(text(true));
    }

    #[test]
    fn row_is_a_json_document() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&rows(&second(), false)[1]).unwrap());
    }

    #[test]
    fn interval_without_time_has_no_rates() {
        let interval = Interval { earlier: samples::tree(), later: samples::tree() };
        assert!(rows(&interval, true).iter().all(|row| row.rate_now == 0.0));
    }
}
