//! Pools and classes that the configuration no longer contains, kept for the VMs that they still have.
//!
//! The data plane keeps them while it runs. For a restart they are saved beside the configuration: the next process applies
//! both until all VMs are attached again, and then the configuration alone, which closes the orphans to new VMs.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use dataplane::{DataPlaneSnapshot, VmSnapshot};
use delivery::{ClassConfig, NodeConfig, PoolConfig, Version};

use crate::checkpoint::{CheckpointState, LastGood};

/// Whole pools, with the configured classes that are parents of orphaned ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orphans(NodeConfig);

impl Orphans {
    pub(crate) fn new(config: NodeConfig) -> Self {
        Self(config)
    }

    /// The orphans that a checkpoint holds.
    pub(crate) fn of_checkpoint(state: &CheckpointState) -> Result<Self> {
        let Some(saved) = &state.orphans else { return Ok(Self::default()) };
        ensure!(saved.encoding == codec::ENCODING, "they are in encoding {}", saved.encoding);
        let (_, content) = codec::decode_persisted(&saved.bytes)?;
        Ok(Self(codec::decode(&content)?))
    }

    /// What the checkpoint holds of these orphans.
    pub(crate) fn to_checkpoint(&self) -> Option<LastGood> {
        let bytes = || codec::encode_persisted(&Version::default(), &codec::encode(&self.0));
        (!self.is_empty()).then(|| LastGood { encoding: codec::ENCODING, bytes: bytes() })
    }

    pub(crate) fn into_config(self) -> NodeConfig {
        self.0
    }

    /// Forgets a pool that cannot be served. False if it is not among them.
    pub(crate) fn remove(&mut self, pool: &str) -> bool {
        let before = self.0.pools.len();
        self.0.pools.retain(|known| known.name != pool);
        self.0.pools.len() < before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.pools.is_empty()
    }

    /// What the data plane still has of `before`, now that `config` is applied.
    pub(crate) fn remaining(before: &NodeConfig, config: &NodeConfig, dataplane: &DataPlaneSnapshot) -> Self {
        let served: HashSet<(&str, &str)> = dataplane
            .pools
            .iter()
            .flat_map(|pool| pool.classes.iter().map(|class| (&*pool.name, &*class.name)))
            .collect();
        let stays = |pool: &PoolConfig, class: &ClassConfig| served.contains(&(&*pool.name, &*class.name));
        let remaining = |pool: &PoolConfig| {
            let known = configured(config, pool).map(class_names);
            let orphaned = |class: &&ClassConfig| {
                stays(pool, class) && known.as_ref().is_none_or(|known| !known.contains(&*class.name))
            };
            let orphaned: Vec<_> = pool.classes.iter().filter(orphaned).cloned().collect();
            (!orphaned.is_empty()).then(|| match configured(config, pool) {
                Some(now) => with(now, &orphaned),
                // A pool must have its default class, whether or not that has a VM.
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
        Self(NodeConfig {
            pools: before.pools.iter().filter_map(remaining).collect(),
            pod_info_on_mount: None,
        })
    }

    /// `config` with the orphans added to it.
    pub(crate) fn beside(&self, config: &NodeConfig) -> NodeConfig {
        let mut both = config.clone();
        for orphaned in &self.0.pools {
            match both.pools.iter_mut().find(|pool| pool.name == orphaned.name) {
                Some(pool) => *pool = with(pool, &orphaned.classes),
                None => both.pools.push(orphaned.clone()),
            }
        }
        both
    }
}

/// Whether a VM of that pool could not be attached with this configuration, and stays only because it already was.
pub(crate) fn is_orphaned(vm: &VmSnapshot, pool: &str, config: &NodeConfig) -> bool {
    let admits = |pool: &PoolConfig| {
        let class = pool.classes.iter().find(|class| class.name == vm.class);
        pool.namespaces.contains(&vm.namespace)
            && class.is_some_and(|class| class.namespaces.contains(&vm.namespace))
    };
    !config.pools.iter().find(|known| known.name == pool).is_some_and(admits)
}

fn configured<'a>(config: &'a NodeConfig, pool: &PoolConfig) -> Option<&'a PoolConfig> {
    config.pools.iter().find(|now| now.name == pool.name)
}

fn class_names(pool: &PoolConfig) -> HashSet<&str> {
    pool.classes.iter().map(|class| &*class.name).collect()
}

/// The pool with the `classes` that it lacks. One whose parent does not exist becomes a child of the root.
fn with(pool: &PoolConfig, classes: &[ClassConfig]) -> PoolConfig {
    let mut known = class_names(pool);
    let mut all = pool.classes.clone();
    for class in classes {
        if known.insert(&class.name) {
            let parent = class.parent.clone().filter(|parent| known.contains(&**parent));
            all.push(ClassConfig { parent, ..class.clone() });
        }
    }
    PoolConfig { classes: all, ..pool.clone() }
}

#[cfg(test)]
#[path = "orphans_tests.rs"]
mod tests;
