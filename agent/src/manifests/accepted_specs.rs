//! What is kept of a book from one start to the next.

use std::collections::BTreeMap;

use api::{Accepted, ClassStatus, EntropyClass, EntropyPool, PoolStatus};

use super::ManifestSet;
use crate::checkpoint::AcceptedSpecs;

impl ManifestSet {
    /// The book in which this was accepted, and nothing was read since.
    #[must_use]
    pub fn remember(self, specs: AcceptedSpecs) -> Self {
        let pools = specs.pools.into_iter().map(|(name, accepted)| (name.clone(), pool(&name, accepted)));
        let classes =
            specs.classes.into_iter().map(|(name, accepted)| (name.clone(), class(&name, accepted)));
        let (book, _) = Self { pools: pools.collect(), classes: classes.collect(), ..self }.planned();
        book
    }

    /// What was accepted last of each object.
    pub fn specs(&self) -> AcceptedSpecs {
        let pool = |(name, pool): (&String, &EntropyPool)| {
            Some((name.clone(), pool.status.as_ref()?.accepted.clone()?))
        };
        let class = |(name, class): (&String, &EntropyClass)| {
            Some((name.clone(), class.status.as_ref()?.accepted.clone()?))
        };
        let pools: BTreeMap<_, _> = self.pools.iter().filter_map(pool).collect();
        AcceptedSpecs { pools, classes: self.classes.iter().filter_map(class).collect() }
    }
}

fn pool(name: &str, accepted: Accepted<api::EntropyPoolSpec>) -> EntropyPool {
    let mut pool = EntropyPool::new(name, accepted.spec.clone());
    pool.metadata.generation = Some(accepted.generation);
    pool.status = Some(PoolStatus { accepted: Some(accepted), ..PoolStatus::default() });
    pool
}

fn class(name: &str, accepted: Accepted<api::EntropyClassSpec>) -> EntropyClass {
    let mut class = EntropyClass::new(name, accepted.spec.clone());
    class.metadata.generation = Some(accepted.generation);
    class.status = Some(ClassStatus { accepted: Some(accepted), ..ClassStatus::default() });
    class
}
