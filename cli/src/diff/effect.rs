//! Whether VMs gain or lose by a change.

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

use delivery::{ClassConfig, Namespaces, NodeConfig, PoolConfig, Shape};
use serde::Serialize;

use agent::{ChangedPart, ConfigChange};

/// What a change means for the VMs of a pool or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DiffEffect {
    Added,
    Removed,
    Gains,
    Loses,
    /// More of one field and less of another.
    GainsAndLoses,
    /// Neither more nor less, such as another source or another parent.
    Differs,
}

impl Display for DiffEffect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::GainsAndLoses => "gains and loses",
            Self::Differs => "differs",
        })
    }
}

impl DiffEffect {
    /// The effect of `change`, which leads from `old` to `new`.
    pub(crate) fn of(old: &NodeConfig, new: &NodeConfig, change: &ConfigChange) -> Self {
        match change.what {
            ChangedPart::Added => Self::Added,
            ChangedPart::Removed => Self::Removed,
            ChangedPart::Changed(_) => Self::sum(&compare(old, new, change).unwrap_or_default()),
        }
    }

    fn sum(orders: &[Ordering]) -> Self {
        match (orders.contains(&Ordering::Greater), orders.contains(&Ordering::Less)) {
            (true, false) => Self::Gains,
            (false, true) => Self::Loses,
            (true, true) => Self::GainsAndLoses,
            (false, false) => Self::Differs,
        }
    }
}

/// The new fields compared with the old ones; `Greater` is in favour of the VMs.
fn compare(old: &NodeConfig, new: &NodeConfig, change: &ConfigChange) -> Option<Vec<Ordering>> {
    let (old, new) = (pool(old, &change.pool)?, pool(new, &change.pool)?);
    Some(match &change.class {
        None => pools(old, new),
        Some(name) => classes(class(old, name)?, class(new, name)?),
    })
}

fn pool<'a>(config: &'a NodeConfig, name: &str) -> Option<&'a PoolConfig> {
    config.pools.iter().find(|pool| pool.name == name)
}

fn class<'a>(pool: &'a PoolConfig, name: &str) -> Option<&'a ClassConfig> {
    pool.classes.iter().find(|class| class.name == name)
}

fn pools(old: &PoolConfig, new: &PoolConfig) -> Vec<Ordering> {
    let mut orders = shapes(old.shape, new.shape);
    orders.extend(namespaces(&old.namespaces, &new.namespaces));
    orders
}

fn classes(old: &ClassConfig, new: &ClassConfig) -> Vec<Ordering> {
    let mut orders = shapes(old.shape, new.shape);
    orders.extend(shapes(old.per_vm, new.per_vm));
    orders.extend([
        new.weight.cmp(&old.weight),
        // A lower prio borrows first.
        old.prio.cmp(&new.prio),
        new.max_connections.cmp(&old.max_connections),
        bounds(old.max_vms, new.max_vms),
        assured(old.per_namespace.rate, new.per_namespace.rate),
        bounds(old.per_namespace.ceil, new.per_namespace.ceil),
        bounds(old.per_namespace.max_vms, new.per_namespace.max_vms),
        new.allow_degraded.cmp(&old.allow_degraded),
    ]);
    orders.extend(namespaces(&old.namespaces, &new.namespaces));
    orders
}

fn shapes(old: Shape, new: Shape) -> Vec<Ordering> {
    vec![
        new.rate.cmp(&old.rate),
        new.ceil.cmp(&old.ceil),
        new.burst.cmp(&old.burst),
        new.cburst.cmp(&old.cburst),
    ]
}

/// A higher bound is better, and none is best.
fn bounds<T: Ord>(old: Option<T>, new: Option<T>) -> Ordering {
    match (old, new) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(old), Some(new)) => new.cmp(&old),
    }
}

/// A namespace without its own rate is assured the sum of its VMs' rates, which counts as neither more nor less.
fn assured<T: Ord>(old: Option<T>, new: Option<T>) -> Ordering {
    old.zip(new).map_or(Ordering::Equal, |(old, new)| new.cmp(&old))
}

/// Namespaces that gain the right to draw, and those that lose it.
fn namespaces(old: &Namespaces, new: &Namespaces) -> Vec<Ordering> {
    match (old, new) {
        (Namespaces::All, Namespaces::All) => Vec::new(),
        (Namespaces::All, Namespaces::Only(_)) => vec![Ordering::Less],
        (Namespaces::Only(_), Namespaces::All) => vec![Ordering::Greater],
        (Namespaces::Only(old), Namespaces::Only(new)) => {
            let added = new.difference(old).map(|_| Ordering::Greater);
            added.chain(old.difference(new).map(|_| Ordering::Less)).collect()
        }
    }
}
