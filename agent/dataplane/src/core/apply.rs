//! A configuration becomes pools.

use std::collections::{HashMap, HashSet};
use std::sync::Once;

use htb::Tick;
use source::{Supply, SupplyError};

use crate::config::{PoolConfig, SupplySpec};
use crate::core::state::DataPlane;
use crate::error::ApplyError;
use crate::pool::{NextGrant, Pool};

/// What a configuration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) pool: String,
    pub(crate) what: &'static str,
}

/// A pool as the configuration has it.
pub(crate) struct Fresh {
    setup: PoolConfig,
    shaper: htb::pool::Pool,
    /// Its bytes; none where those of the pool of that name go on.
    supply: Option<Supply>,
}

/// What is made anew, off the loop's thread: whatever can fail does so before anything changes. A pool among `known`
/// keeps its supply if that is made of the same.
pub(crate) fn prepare(
    setups: Vec<PoolConfig>,
    known: &HashMap<String, SupplySpec>,
    mut supply: impl FnMut(&SupplySpec) -> Result<Supply, SupplyError>,
    now: Tick,
) -> Result<Vec<Fresh>, ApplyError> {
    let mut names = HashSet::new();
    if let Some(twice) = setups.iter().find(|setup| !names.insert(&setup.name)) {
        return Err(ApplyError::DuplicatePool { pool: twice.name.clone() });
    }
    let keeps =
        |setup: &PoolConfig| known.get(&setup.name).is_some_and(|known| known.spec() == setup.supply.spec());
    let fresh = |setup: PoolConfig| {
        let made = if keeps(&setup) { None } else { Some(supply(&setup.supply)) };
        make(setup, made.transpose(), now)
    };
    setups.into_iter().map(fresh).collect()
}

fn make(
    setup: PoolConfig,
    supply: Result<Option<Supply>, SupplyError>,
    now: Tick,
) -> Result<Fresh, ApplyError> {
    let pool = || setup.name.clone();
    let shaper = htb::pool::Pool::new(&setup.params, now)
        .map_err(|source| ApplyError::Configure { pool: pool(), source })?;
    let supply = supply.map_err(|source| ApplyError::Supply { pool: pool(), source })?;
    if supply.as_ref().is_some_and(|supply| !supply.locked()) {
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::warn!("memory for random bytes is not locked; raise LimitMEMLOCK"));
    }
    Ok(Fresh { setup, shaper, supply })
}

impl DataPlane {
    /// Goes over to these pools. Those that stay keep their VMs, tokens and debts, and their own supply.
    /// Says what that changed, for a log that is not written by the loop's thread.
    pub(crate) fn apply(&mut self, pools: Vec<Fresh>, now: Tick) -> Vec<Change> {
        let mut changes = self.close_all_but(&pools);
        for Fresh { setup, shaper, supply } in pools {
            let name = setup.name.clone();
            let key = self.pool_named(&setup.name);
            if let Some((key, known)) = key.and_then(|key| Some((key, self.pools.get_mut(key)?))) {
                if known.reconfigure(setup, now) {
                    changes.push(Change { pool: name, what: "changed" });
                    self.refresh(key, now);
                    self.ask_anew(key, now);
                }
                if let Some(supply) = supply {
                    self.resupply(key, supply, now);
                }
            } else {
                let supply = supply.expect("only a pool that is known, and stays so, keeps a supply");
                let key = self.pools.insert(Pool::new(setup, shaper, supply));
                self.enroll(key, now);
                changes.push(Change { pool: name, what: "added" });
            }
        }
        changes
    }

    /// What the pools of the configuration are supplied by, by name.
    pub(crate) fn supplies(&self) -> HashMap<String, SupplySpec> {
        let open = self.pools.iter().filter(|(_, pool)| !pool.closed);
        open.map(|(_, pool)| (pool.setup.name.clone(), pool.setup.supply.clone())).collect()
    }

    fn close_all_but(&mut self, pools: &[Fresh]) -> Vec<Change> {
        let is_named = |name: &str| pools.iter().any(|pool| pool.setup.name == name);
        let gone: Vec<_> =
            self.pools.iter().filter(|(_, pool)| !is_named(&pool.setup.name)).map(|(key, _)| key).collect();
        let mut changes = Vec::new();
        for key in gone {
            let Some(pool) = self.pools.get_mut(key).filter(|pool| !pool.closed) else { continue };
            changes.push(Change { pool: pool.setup.name.clone(), what: "deleted" });
            pool.closed = true;
            if pool.is_empty() {
                self.remove_pool(key);
            }
        }
        changes
    }
}

impl Pool {
    /// False if there is nothing to change.
    fn reconfigure(&mut self, setup: PoolConfig, now: Tick) -> bool {
        if self.setup == setup && !self.closed {
            return false;
        }
        self.shaper.configure(&setup.params, now).expect("classes of which a tree was just made");
        self.setup = setup;
        self.closed = false;
        self.next = NextGrant::Now;
        true
    }
}
