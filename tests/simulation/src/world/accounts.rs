//! What everybody was charged, over all processes of a host's boot, and what their buckets held when one ended.

use std::collections::HashMap;

use dataplane::{DataPlaneSnapshot, NodeSnapshot};
use htb::Tick;

use crate::violation::{Check, SECOND};

/// EGD's largest request: what one grant, or one credit, may be beyond a bucket.
pub(super) const GRANT: u64 = 255;
/// The burst of a bucket whose manifest names none.
const BURST: u64 = 1024;
const DAY: u128 = 86_400;

/// What a VM or a pool was charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// Since when.
    from: Tick,
    /// By processes before this one.
    before: u64,
    /// How often there was credit besides that of each second: to new VMs and of new processes.
    credits: u64,
}

impl Account {
    pub(super) fn new(from: Tick) -> Self {
        Self { from, before: 0, credits: 1 }
    }

    /// All that it was charged, where this process charged it so much.
    pub(super) fn sum(&self, here: u64) -> u64 {
        self.before + here
    }

    /// The process that charged it so much is gone.
    pub(super) fn carry(&mut self, here: u64) {
        self.before += here;
    }

    /// Somebody below it may have credit once more.
    pub(super) fn credit(&mut self, vms: u64) {
        self.credits += vms;
    }

    /// No more than the bucket of a ceil lets through, and what was on credit.
    pub(super) fn within(&self, here: u64, ceil: u64, now: Tick, vms: u64, whose: &str) -> Result<(), Check> {
        let age = now.since(self.from);
        let through =
            u64::try_from(u128::from(ceil) * u128::from(age) / u128::from(SECOND)).unwrap_or(u64::MAX);
        let most = through + BURST + GRANT + (vms * age.div_ceil(SECOND) + self.credits) * GRANT;
        let bytes = self.sum(here);
        if bytes > most {
            return Err(("ceil", format!("{whose} got {bytes} bytes, and its ceil lets {most} through")));
        }
        Ok(())
    }
}

/// What the buckets of all nodes held when a process ended.
#[derive(Debug, Default)]
pub(super) struct Levels {
    at: Tick,
    nodes: HashMap<String, NodeSnapshot>,
}

impl Levels {
    pub(super) fn of(snapshot: &DataPlaneSnapshot) -> Self {
        let mut nodes = HashMap::new();
        for pool in &snapshot.pools {
            nodes.insert(pool.name.clone(), pool.node);
            for class in &pool.classes {
                nodes.insert(format!("{}/{}", pool.name, class.name), class.node);
                for (namespace, node) in class.namespaces.iter().filter_map(|it| Some((&it.name, it.node?))) {
                    nodes.insert(format!("{}/{}/{namespace}", pool.name, class.name), node);
                }
            }
            nodes.extend(pool.vms.iter().map(|vm| (format!("{} {}", pool.name, vm.id), vm.node)));
        }
        Self { at: snapshot.now, nodes }
    }

    /// Nobody has more now than it had then and what it earned since.
    pub(super) fn bound(&self, now: &Self) -> Result<(), Check> {
        let mut all: Vec<_> = now.nodes.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        for (name, node) in all {
            if let Some(before) = self.nodes.get(name) {
                within(name, before, node, now.at.since(self.at))?;
            }
        }
        Ok(())
    }
}

/// The same of one node. A bucket that was given another rate or burst is another.
pub(super) fn within(name: &str, before: &NodeSnapshot, now: &NodeSnapshot, age: u64) -> Result<(), Check> {
    let (old, new) = (before.params, now.params);
    let same =
        [(old.rate, old.burst) == (new.rate, new.burst), (old.ceil, old.cburst) == (new.ceil, new.cburst)];
    let held = [(before.stats.tokens, old.rate), (before.stats.ctokens, old.ceil)];
    let holds = [now.stats.tokens, now.stats.ctokens];
    for ((same, (held, rate)), holds) in same.into_iter().zip(held).zip(holds) {
        let earned = u128::from(rate.0) * u128::from(age) / (DAY * u128::from(SECOND));
        // Rounded down then, and rounded down now.
        let most = held.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).saturating_add(1);
        if same && holds > most {
            return Err((
                "debts",
                format!("{name} has {holds} bytes to spend, and should have {most} at most"),
            ));
        }
    }
    Ok(())
}
