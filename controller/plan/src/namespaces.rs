//! Namespace selectors, resolved to names.

use std::collections::{BTreeMap, BTreeSet};

use api::{ClassNamespaces, ClassNamespacesFrom, LabelSelector, PoolNamespaces, PoolNamespacesFrom};
use delivery::Namespaces;

use crate::snapshot::Labels;

/// The namespaces that may use a pool.
pub(crate) fn of_pool(allowed: &PoolNamespaces, all: &BTreeMap<String, Labels>) -> Namespaces {
    match allowed.from {
        PoolNamespacesFrom::All => Namespaces::All,
        PoolNamespacesFrom::Selector => matching(allowed.selector.as_ref(), all),
        PoolNamespacesFrom::None => none(),
    }
}

/// The namespaces that may use a class; never one that may not use its pool.
pub(crate) fn of_class(
    allowed: &ClassNamespaces,
    pool: &Namespaces,
    all: &BTreeMap<String, Labels>,
) -> Namespaces {
    match allowed.from {
        ClassNamespacesFrom::Inherit | ClassNamespacesFrom::All => pool.clone(),
        ClassNamespacesFrom::Selector => within(matching(allowed.selector.as_ref(), all), pool),
        ClassNamespacesFrom::None => none(),
    }
}

pub(crate) fn none() -> Namespaces {
    Namespaces::Only(BTreeSet::new())
}

// The schema refuses a missing selector; if there is one anyway, it selects nothing. An empty selector matches
// all namespaces, including those created later.
fn matching(selector: Option<&LabelSelector>, all: &BTreeMap<String, Labels>) -> Namespaces {
    match selector {
        None => none(),
        Some(selector) if *selector == LabelSelector::default() => Namespaces::All,
        Some(selector) => {
            let matched = all.iter().filter(|(_, labels)| selector.matches(labels));
            Namespaces::Only(matched.map(|(name, _)| name.clone()).collect())
        }
    }
}

fn within(wanted: Namespaces, pool: &Namespaces) -> Namespaces {
    match wanted {
        Namespaces::All => pool.clone(),
        Namespaces::Only(names) => {
            Namespaces::Only(names.into_iter().filter(|name| pool.contains(name)).collect())
        }
    }
}
