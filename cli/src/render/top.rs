//! The table of `top`: what flows where, now.

use serde::Serialize;

use super::amount::{measured, rate};
use super::classes::depth;
use super::pools::name;
use super::table::Table;
use crate::view::{Class, Counters, NodeKind, Pool, Rate, Span, Tree, Vm};

/// One node of the tree, between two looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopRow {
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    pub(crate) pool: String,
    /// Nodes above it.
    pub(crate) depth: usize,
    /// Bytes a second between the two looks.
    pub(crate) rate_now: f64,
    /// Of these, what an ancestor lent.
    pub(crate) borrowed_now: f64,
    pub(crate) assured: Rate,
    pub(crate) ceil: Rate,
    pub(crate) waiting: u32,
    pub(crate) vms: u32,
}

/// The rows of `tree`, with the rates since `earlier`.
pub(crate) fn top(earlier: &Tree, tree: &Tree, with_vms: bool) -> Vec<TopRow> {
    let look = TopState { earlier, tree, time: Span::between(earlier.now, tree.now), with_vms };
    tree.pools.iter().flat_map(|pool| look.pool(pool)).collect()
}

/// The rows as a table.
pub(crate) fn table(rows: &[TopRow]) -> String {
    let mut table =
        Table::new(&["POOL/CLASS", ">RATE NOW", ">ASSURED", ">CEIL", ">BORROWED", ">WAITING", ">VMS"]);
    for row in rows {
        table.row([
            format!("{}{}", "  ".repeat(row.depth), row.name),
            measured(row.rate_now),
            rate(row.assured),
            rate(row.ceil),
            measured(row.borrowed_now),
            row.waiting.to_string(),
            if row.kind == NodeKind::Vm { String::new() } else { row.vms.to_string() },
        ]);
    }
    table.or("No pools are served.")
}

/// Two looks at the tree.
struct TopState<'a> {
    earlier: &'a Tree,
    tree: &'a Tree,
    time: Span,
    with_vms: bool,
}

impl TopState<'_> {
    fn pool(&self, pool: &Pool) -> Vec<TopRow> {
        let before = self.earlier.pools.iter().find(|other| other.name == pool.name);
        let mut rows = vec![TopRow {
            kind: NodeKind::Pool,
            name: name(&pool.name, pool.closed),
            pool: pool.name.clone(),
            depth: 0,
            rate_now: self.rate(before.map(|pool| pool.counters), pool.counters, |counters| counters.bytes),
            borrowed_now: 0.0,
            assured: pool.shape.rate,
            ceil: pool.shape.ceil,
            waiting: pool.waiting,
            vms: pool.vms,
        }];
        let classes = self.tree.classes.iter().filter(|class| class.pool == pool.name);
        rows.extend(classes.flat_map(|class| self.class(class)));
        rows
    }

    fn class(&self, class: &Class) -> Vec<TopRow> {
        let same = |other: &&Class| other.pool == class.pool && other.name == class.name;
        let before = self.earlier.classes.iter().find(same).map(|class| class.counters);
        let depth = 1 + depth(class, &self.tree.classes);
        let mut rows = vec![TopRow {
            kind: NodeKind::Class,
            name: name(&class.name, class.closed),
            pool: class.pool.clone(),
            depth,
            rate_now: self.rate(before, class.counters, |counters| counters.bytes),
            borrowed_now: self.rate(before, class.counters, |counters| counters.borrowed),
            assured: class.shape.rate,
            ceil: class.shape.ceil,
            waiting: class.waiting,
            vms: class.vms,
        }];
        if self.with_vms {
            let members = self.tree.vms.iter().filter(|vm| vm.pool == class.pool && vm.class == class.name);
            rows.extend(members.map(|vm| self.vm(vm, depth + 1)));
        }
        rows
    }

    fn vm(&self, vm: &Vm, depth: usize) -> TopRow {
        let before = self.earlier.vms.iter().find(|other| other.name == vm.name).map(|vm| vm.counters);
        TopRow {
            kind: NodeKind::Vm,
            name: vm.name.clone(),
            pool: vm.pool.clone(),
            depth,
            rate_now: self.rate(before, vm.counters, |counters| counters.bytes),
            borrowed_now: self.rate(before, vm.counters, |counters| counters.borrowed),
            assured: vm.shape.rate,
            ceil: vm.shape.ceil,
            waiting: vm.waiting.is_some().into(),
            vms: 1,
        }
    }

    /// Bytes a second of one counter; what is new since the earlier look counts from zero.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn rate(&self, before: Option<Counters>, now: Counters, which: fn(&Counters) -> u64) -> f64 {
        let more = which(&now).saturating_sub(which(&before.unwrap_or_default()));
        if self.time.0 == 0 { 0.0 } else { more as f64 / self.time.seconds() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    /// Two looks a second apart.
    fn rows(with_vms: bool) -> Vec<TopRow> {
        let earlier = samples::tree();
        let mut later = samples::tree();
        later.now += 1_000_000_000;
        later.pools[0].counters.bytes += 32_768;
        later.classes[0].counters.bytes += 12_288;
        later.classes[0].counters.borrowed += 8_192;
        for class in &mut later.classes[1..3] {
            class.counters.bytes += 20_480;
        }
        later.vms[1].counters.bytes += 20_480;
        top(&earlier, &later, with_vms)
    }

    #[test]
    fn rates_are_those_between_two_looks() {
        insta::assert_snapshot!(table(&rows(false)));
    }

    #[test]
    fn vms_stand_below_their_classes() {
        insta::assert_snapshot!(table(&rows(true)));
    }

    #[test]
    fn the_first_look_alone_has_no_rates() {
        let tree = samples::tree();
        assert!(top(&tree, &tree, true).iter().all(|row| row.rate_now == 0.0));
    }
}
