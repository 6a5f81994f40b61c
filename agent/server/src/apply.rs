//! A configuration becomes pools.

use std::collections::HashSet;
use std::sync::Once;

use htb::Tick;
use htb::pool::ConfigureError;
use source::{MapMemory, Supply};

use crate::clock;
use crate::plane::Plane;
use crate::pool::{Next, Pool};
use crate::setup::{PoolSetup, SupplySpec};

/// Why a configuration was not taken. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Two pools have one name.
    #[error("there are two pools {pool}")]
    DuplicatePool {
        /// The name.
        pool: String,
    },
    /// A pool's classes make no tree.
    #[error("pool {pool}: {source}")]
    Configure {
        /// The pool.
        pool: String,
        /// What is wrong.
        source: ConfigureError,
    },
    /// There is no memory for a pool's bytes.
    #[error("pool {pool} gets no memory for its bytes")]
    Supply {
        /// The pool.
        pool: String,
        /// Why.
        source: MapMemory,
    },
    /// The server is on its way out.
    #[error("the server is stopping and takes no configuration")]
    Stopping,
}

impl ApplyError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DuplicatePool { .. } => "DuplicatePool",
            Self::Configure { .. } => "InvalidClasses",
            Self::Supply { .. } => "NoMemory",
            Self::Stopping => "Stopping",
        }
    }
}

/// What a configuration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) pool: String,
    pub(crate) what: &'static str,
}

/// Makes every pool anew, off the loop's thread: whatever can fail does so before anything changes.
pub(crate) fn prepare(setups: Vec<PoolSetup>) -> Result<Vec<Pool>, ApplyError> {
    let mut names = HashSet::new();
    if let Some(twice) = setups.iter().find(|setup| !names.insert(&setup.name)) {
        return Err(ApplyError::DuplicatePool { pool: twice.name.clone() });
    }
    setups.into_iter().map(make).collect()
}

fn make(setup: PoolSetup) -> Result<Pool, ApplyError> {
    let pool = || setup.name.clone();
    let shaper = htb::pool::Pool::new(&setup.params, clock::now())
        .map_err(|source| ApplyError::Configure { pool: pool(), source })?;
    let supply = match setup.supply {
        SupplySpec::Kernel => Supply::kernel(),
    }
    .map_err(|source| ApplyError::Supply { pool: pool(), source })?;
    if !supply.locked() {
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::warn!("memory for random bytes is not locked; raise LimitMEMLOCK"));
    }
    Ok(Pool::new(setup, shaper, supply))
}

impl Plane {
    /// Goes over to these pools. Those that stay keep their VMs, tokens and debts, and their own supply.
    /// Says what that changed, for a log that is not written by the loop's thread.
    pub(crate) fn apply(&mut self, pools: Vec<Pool>, now: Tick) -> Vec<Change> {
        let mut changes = self.close_all_but(&pools);
        for pool in pools {
            let name = pool.setup.name.clone();
            let known = self.pool_named(&pool.setup.name).and_then(|key| self.pools.get_mut(key));
            if let Some(known) = known {
                if known.reconfigure(pool.setup, now) {
                    changes.push(Change { pool: name, what: "changed" });
                }
            } else {
                self.pools.insert(pool);
                changes.push(Change { pool: name, what: "added" });
            }
        }
        changes
    }

    fn close_all_but(&mut self, pools: &[Pool]) -> Vec<Change> {
        let is_named = |name: &str| pools.iter().any(|pool| pool.setup.name == name);
        let gone: Vec<_> =
            self.pools.iter().filter(|(_, pool)| !is_named(&pool.setup.name)).map(|(key, _)| key).collect();
        let mut changes = Vec::new();
        for key in gone {
            let Some(pool) = self.pools.get_mut(key).filter(|pool| !pool.closed) else { continue };
            changes.push(Change { pool: pool.setup.name.clone(), what: "deleted" });
            pool.closed = true;
            if pool.is_empty() {
                self.pools.remove(key);
            }
        }
        changes
    }
}

impl Pool {
    /// False if there is nothing to change.
    fn reconfigure(&mut self, setup: PoolSetup, now: Tick) -> bool {
        if self.setup == setup && !self.closed {
            return false;
        }
        self.shaper.configure(&setup.params, now).expect("classes of which a tree was just made");
        self.setup = setup;
        self.closed = false;
        self.next = Next::Now;
        true
    }
}
