//! Applying a configuration of pools.

use std::collections::{HashMap, HashSet};
use std::sync::Once;

use htb::Tick;
use source::{Supply, SupplyError};

use super::state::DataPlane;
use crate::config::{PoolConfig, SupplySpec};
use crate::error::ApplyError;
use crate::pool::{NextGrant, ServedPool};

/// What a configuration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolChange {
    pub(crate) pool: String,
    pub(crate) change: &'static str,
}

/// A pool with everything built that can fail.
pub(crate) struct PreparedPool {
    config: PoolConfig,
    shaper: htb::pool::PoolShaper,
    /// `None` where the pool of that name keeps its supply.
    supply: Option<Supply>,
}

/// Builds everything that can fail, off the loop's thread and before anything changes. A pool among `current` keeps its
/// supply if it has the same spec.
pub(crate) fn prepare(
    configs: Vec<PoolConfig>,
    current: &HashMap<String, SupplySpec>,
    mut supply: impl FnMut(&SupplySpec) -> Result<Supply, SupplyError>,
    now: Tick,
) -> Result<Vec<PreparedPool>, ApplyError> {
    let mut names = HashSet::new();
    if let Some(duplicate) = configs.iter().find(|config| !names.insert(&config.name)) {
        return Err(ApplyError::DuplicatePool { pool: duplicate.name.clone() });
    }
    let keeps_supply = |config: &PoolConfig| {
        current.get(&config.name).is_some_and(|current| current.spec() == config.supply.spec())
    };
    let prepare = |config: PoolConfig| {
        let built = if keeps_supply(&config) { None } else { Some(supply(&config.supply)) };
        prepare_pool(config, built.transpose(), now)
    };
    configs.into_iter().map(prepare).collect()
}

fn prepare_pool(
    config: PoolConfig,
    supply: Result<Option<Supply>, SupplyError>,
    now: Tick,
) -> Result<PreparedPool, ApplyError> {
    let pool = || config.name.clone();
    let shaper = htb::pool::PoolShaper::new(&config.params, now)
        .map_err(|source| ApplyError::Configure { pool: pool(), source })?;
    let supply = supply.map_err(|source| ApplyError::Supply { pool: pool(), source })?;
    if supply.as_ref().is_some_and(|supply| !supply.locked()) {
        static WARNED: Once = Once::new();
        WARNED.call_once(|| tracing::warn!("memory for random bytes is not locked; raise LimitMEMLOCK"));
    }
    Ok(PreparedPool { config, shaper, supply })
}

impl DataPlane {
    /// Replaces the pools by these. Those that stay keep their VMs, tokens and debts, and their supply.
    /// Returns the changes, to be logged off the loop's thread.
    pub(crate) fn apply(&mut self, pools: Vec<PreparedPool>, now: Tick) -> Vec<PoolChange> {
        let mut changes = self.close_all_but(&pools);
        for PreparedPool { config, shaper, supply } in pools {
            let name = config.name.clone();
            let key = self.pools.by_name(&name);
            if let Some((key, pool)) = key.and_then(|key| Some((key, self.pools.get_mut(key)?))) {
                if pool.reconfigure(config, now) {
                    changes.push(PoolChange { pool: name, change: "changed" });
                    self.save_pool(key, now);
                    self.requeue_demand(key, now);
                }
                if let Some(supply) = supply {
                    self.replace_supply(key, supply, now);
                }
            } else {
                let supply = supply.expect("only a pool that exists keeps its supply");
                let key = self.pools.insert(ServedPool::new(config, shaper, supply));
                self.register_nodes(key, now);
                changes.push(PoolChange { pool: name, change: "added" });
            }
        }
        changes
    }

    /// The supply specs of the configured pools, by name.
    pub(crate) fn supply_specs(&self) -> HashMap<String, SupplySpec> {
        self.pools.open().map(|pool| (pool.config.name.clone(), pool.config.supply.clone())).collect()
    }

    fn close_all_but(&mut self, pools: &[PreparedPool]) -> Vec<PoolChange> {
        let is_named = |name: &str| pools.iter().any(|pool| pool.config.name == name);
        let deleted: Vec<_> = self
            .pools
            .iter()
            .filter(|(_, pool)| !pool.closed && !is_named(&pool.config.name))
            .map(|(key, _)| key)
            .collect();
        let mut changes = Vec::new();
        for key in deleted {
            let Some(pool) = self.pools.get_mut(key) else { continue };
            changes.push(PoolChange { pool: pool.config.name.clone(), change: "deleted" });
            pool.closed = true;
            if pool.is_empty() {
                self.remove_pool(key);
            }
        }
        changes
    }
}

impl ServedPool {
    /// False if there is nothing to change.
    fn reconfigure(&mut self, config: PoolConfig, now: Tick) -> bool {
        if self.config == config && !self.closed {
            return false;
        }
        self.shaper.configure(&config.params, now).expect("a tree was just built from these classes");
        self.config = config;
        self.closed = false;
        self.next = NextGrant::Now;
        true
    }
}
