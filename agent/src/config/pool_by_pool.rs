//! One pool stops no other: a configuration in which each pool that cannot be applied is as it last could.

use delivery::{Nack, NodeConfig, PoolRefusal};

/// A configuration that is being applied.
#[derive(Debug)]
pub(crate) struct PoolByPool<'a> {
    config: NodeConfig,
    last_good: &'a NodeConfig,
    refused: Vec<PoolRefusal>,
}

/// A configuration that is in effect, and the pools that are not as they should be.
#[derive(Debug)]
pub(crate) struct AppliedPools {
    pub(crate) config: NodeConfig,
    pub(crate) refused: Vec<PoolRefusal>,
}

impl<'a> PoolByPool<'a> {
    pub(crate) fn new(config: NodeConfig, last_good: &'a NodeConfig) -> Self {
        Self { config, last_good, refused: Vec::new() }
    }

    /// What to apply.
    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The pool cannot be applied: it is replaced by its last good configuration, and if that cannot be applied either, or
    /// there is none, it is left out. False if it was left out already.
    pub(crate) fn refuse(&mut self, pool: &str, refusal: Nack) -> bool {
        let before = self.config.pools.iter().position(|known| known.name == pool);
        let removed = before.map(|at| self.config.pools.remove(at));
        if self.refused.iter().any(|refused| refused.pool == pool) {
            return removed.is_some();
        }
        self.refused.push(PoolRefusal { pool: pool.to_owned(), refusal });
        if let Some(last_good) = self.last_good.pools.iter().find(|known| known.name == pool) {
            let at = self.config.pools.partition_point(|known| *known.name < *pool);
            self.config.pools.insert(at, last_good.clone());
        }
        true
    }

    pub(crate) fn applied(self) -> AppliedPools {
        AppliedPools { config: self.config, refused: self.refused }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::manifests::ManifestSet;

    fn config(text: &str) -> NodeConfig {
        let mut set = ManifestSet::new([]);
        let pools = text.split(' ').map(|pool| {
            let (name, rate) = pool.split_once('=').unwrap();
            format!(
                "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: {name}}}, \
                 spec: {{rate: {rate}/s}}}}\n---\n"
            )
        });
        let outcome = set.read(api::manifest::parse("test.yaml", &pools.collect::<String>()));
        assert_eq!(outcome.refused, Vec::<String>::new());
        NodeConfig::clone(set.config())
    }

    #[test]
    fn a_refused_pool_is_as_it_last_was_and_is_left_out_if_that_is_refused_too() {
        let (last_good, new) = (config("b=1 c=1"), config("a=2 b=2 d=2"));
        let mut attempt = PoolByPool::new(new, &last_good);
        let why = || Nack::new("Why", "because");
        assert!(attempt.refuse("b", why()));
        assert_eq!(*attempt.config(), config("a=2 b=1 d=2"));
        assert!(attempt.refuse("a", why()));
        assert_eq!(*attempt.config(), config("b=1 d=2"));
        assert!(!attempt.refuse("a", why()));
        assert!(attempt.refuse("b", why()));
        let applied = attempt.applied();
        assert_eq!(applied.config, config("d=2"));
        let refused: Vec<_> = applied.refused.iter().map(|refused| &*refused.pool).collect();
        assert_eq!(refused, ["b", "a"]);
    }
}
