//! The VMs that one node reports, as far as a node's may cost memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use delivery::{NodeConfig, VmsReport};
use plan::ClassReport;

/// VMs of a node beyond this number are not kept. A kubelet runs some hundreds of pods.
pub(super) const MAX_VMS: usize = 10_000;
/// Names that are longer than this are not kept: those of pools, classes and pods' uids are shorter.
pub(super) const MAX_NAME: usize = 63;
/// Classes with orphaned VMs that the node's configuration does not have, beyond this number, are not told apart.
pub(super) const MAX_ORPHANED_CLASSES: usize = 64;

/// The VMs of a node by uid.
#[derive(Debug, Default)]
pub(super) struct NodeVms {
    vms: BTreeMap<Box<str>, NodeVm>,
    classes: BTreeSet<Arc<ClassKey>>,
    /// Some VMs were not kept.
    overflowed: bool,
}

#[derive(Debug)]
struct NodeVm {
    class: Arc<ClassKey>,
    orphaned: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClassKey {
    pool: Box<str>,
    class: Box<str>,
}

/// The VMs of each pool, counted by class.
pub(super) type ClassCounts = BTreeMap<String, Arc<BTreeMap<String, ClassReport>>>;
/// The orphaned VMs, counted by pool and class.
pub(super) type OrphanCounts = BTreeMap<(String, String), u32>;

impl NodeVms {
    /// Merges a report.
    pub(super) fn merge(&mut self, report: VmsReport) {
        if report.whole {
            *self = Self::default();
        }
        for uid in report.gone {
            self.vms.remove(&*uid);
        }
        for (uid, vm) in report.vms {
            let is_kept = [&uid, &vm.pool, &vm.class].iter().all(|name| name.len() <= MAX_NAME)
                && (self.vms.len() < MAX_VMS || self.vms.contains_key(&*uid));
            if is_kept {
                let class = self.class(&vm.pool, &vm.class);
                self.vms.insert(uid.into(), NodeVm { class, orphaned: vm.orphaned });
            } else {
                self.overflowed = true;
            }
        }
        self.classes.retain(|class| Arc::strong_count(class) > 1);
    }

    /// Whether more was reported than is kept, asked once.
    pub(super) fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Each VM's uid, and the class it is in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vms.iter().map(|(uid, vm)| (&**uid, &*vm.class.class))
    }

    /// Counts the VMs in the classes of a configuration. Those in other classes of its pools are counted as one class
    /// without a name. `has_slot` says whether the pod of a uid has asked the scheduler for a slot of a class.
    pub(super) fn counted(&self, config: &NodeConfig, has_slot: impl Fn(&str, &str) -> bool) -> ClassCounts {
        let known = known_classes(config);
        let mut pools: BTreeMap<&str, BTreeMap<String, ClassReport>> = BTreeMap::new();
        for (uid, NodeVm { class: key, .. }) in &self.vms {
            let Some(classes) = known.get(&*key.pool) else { continue };
            let class = if classes.contains(&*key.class) { &*key.class } else { "" };
            let counted = pools.entry(&key.pool).or_default().entry(class.to_owned()).or_default();
            counted.vms += 1;
            counted.without_slot += u32::from(!has_slot(uid, class));
        }
        pools.into_iter().map(|(pool, classes)| (pool.to_owned(), Arc::new(classes))).collect()
    }

    /// Counts the orphaned VMs.
    pub(super) fn orphaned(&self, config: &NodeConfig) -> OrphanCounts {
        let known = known_classes(config);
        let mut orphaned: BTreeMap<&ClassKey, u32> = BTreeMap::new();
        for vm in self.vms.values().filter(|vm| vm.orphaned) {
            *orphaned.entry(&vm.class).or_default() += 1;
        }
        let mut others = 0;
        orphaned.retain(|key, _| {
            let is_other = known.get(&*key.pool).is_none_or(|classes| !classes.contains(&*key.class));
            others += usize::from(is_other);
            !is_other || others <= MAX_ORPHANED_CLASSES
        });
        let owned = |(key, count): (&ClassKey, u32)| ((key.pool.to_string(), key.class.to_string()), count);
        orphaned.into_iter().map(owned).collect()
    }

    /// The key of a class, of which there is one for all its VMs.
    fn class(&mut self, pool: &str, class: &str) -> Arc<ClassKey> {
        let key = ClassKey { pool: pool.into(), class: class.into() };
        if let Some(known) = self.classes.get(&key) {
            return Arc::clone(known);
        }
        let key = Arc::new(key);
        self.classes.insert(Arc::clone(&key));
        key
    }

    /// The bytes of everything that is kept, without the overhead of the collections.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let vms = self.vms.keys().map(|uid| uid.len() + size_of::<(Box<str>, NodeVm)>());
        let classes =
            self.classes.iter().map(|key| key.pool.len() + key.class.len() + size_of::<ClassKey>() + 24);
        vms.chain(classes).sum()
    }
}

fn known_classes(config: &NodeConfig) -> BTreeMap<&str, BTreeSet<&str>> {
    let by_pool = config.pools.iter();
    by_pool.map(|pool| (&*pool.name, pool.classes.iter().map(|class| &*class.name).collect())).collect()
}
