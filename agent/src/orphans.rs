//! Pools and classes that are not in the configuration any more, and stay for the VMs that they have.
//!
//! The server knows them for as long as it lives. For the time after that they are kept beside the configuration: a start
//! serves both until all VMs have their places again, and then the configuration alone, so that they are closed once more.

use dataplane::{Snapshot, VmSnapshot};
use delivery::{ClassConfig, NodeConfig, PoolConfig};

/// What is kept of them: whole pools, with the classes of the configuration that are above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orphans(NodeConfig);

impl Orphans {
    /// Those that were kept.
    pub(crate) fn of(kept: NodeConfig) -> Self {
        Self(kept)
    }

    /// What is to be kept.
    pub(crate) fn config(&self) -> &NodeConfig {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.pools.is_empty()
    }

    /// What stays of `before` now that `config` is in force, as the server says.
    pub(crate) fn left(before: &NodeConfig, config: &NodeConfig, server: &Snapshot) -> Self {
        let stays = |pool: &PoolConfig, class: &ClassConfig| {
            let known = server.pools.iter().find(|known| known.name == pool.name);
            known.is_some_and(|known| known.classes.iter().any(|known| known.name == class.name))
        };
        let left = |pool: &PoolConfig| {
            let gone = |class: &&ClassConfig| {
                stays(pool, class) && in_force(config, pool).is_none_or(|now| !has(now, class))
            };
            let gone: Vec<_> = pool.classes.iter().filter(gone).cloned().collect();
            (!gone.is_empty()).then(|| match in_force(config, pool) {
                Some(now) => with(now, &gone),
                // The class of VMs that name none must be there, whether or not there is one.
                None => PoolConfig {
                    classes: pool
                        .classes
                        .iter()
                        .filter(|class| stays(pool, class) || class.name == pool.default_class)
                        .cloned()
                        .collect(),
                    ..pool.clone()
                },
            })
        };
        Self(NodeConfig { pools: before.pools.iter().filter_map(left).collect(), pod_info_on_mount: None })
    }

    /// The configuration as if these were still in it.
    pub(crate) fn beside(&self, config: &NodeConfig) -> NodeConfig {
        let mut both = config.clone();
        for kept in &self.0.pools {
            match both.pools.iter_mut().find(|pool| pool.name == kept.name) {
                Some(pool) => *pool = with(pool, &kept.classes),
                None => both.pools.push(kept.clone()),
            }
        }
        both
    }
}

/// Whether a VM of that pool stays only because it was there before: it could not come as it is.
pub(crate) fn is_orphaned(vm: &VmSnapshot, pool: &str, config: &NodeConfig) -> bool {
    let may = |pool: &PoolConfig| {
        let class = pool.classes.iter().find(|class| class.name == vm.class);
        pool.namespaces.contains(&vm.namespace)
            && class.is_some_and(|class| class.namespaces.contains(&vm.namespace))
    };
    !config.pools.iter().find(|known| known.name == pool).is_some_and(may)
}

fn in_force<'a>(config: &'a NodeConfig, pool: &PoolConfig) -> Option<&'a PoolConfig> {
    config.pools.iter().find(|now| now.name == pool.name)
}

fn has(pool: &PoolConfig, class: &ClassConfig) -> bool {
    pool.classes.iter().any(|known| known.name == class.name)
}

/// The pool with those of the classes that it has not. One whose parent is gone stands below the root.
fn with(pool: &PoolConfig, classes: &[ClassConfig]) -> PoolConfig {
    let mut pool = pool.clone();
    for class in classes {
        if has(&pool, class) {
            continue;
        }
        let parent =
            class.parent.clone().filter(|parent| pool.classes.iter().any(|known| known.name == *parent));
        pool.classes.push(ClassConfig { parent, ..class.clone() });
    }
    pool
}

#[cfg(test)]
#[path = "orphans_tests.rs"]
mod tests;
