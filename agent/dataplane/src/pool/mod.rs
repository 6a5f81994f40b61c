//! A pool as the loop sees it: a class tree, a supply, and when the tree can decide next.

mod members;
mod pools;
mod wait_histogram;

pub use members::Overlimits;
pub use wait_histogram::{WAIT_BOUNDS, WaitHistogram};

pub(crate) use pools::Pools;

use htb::pool::AdmissionError;
use htb::{NodeId, Tick};
use source::Supply;

use self::members::Members;
use crate::config::{AttachRequest, PoolConfig};
use crate::error::{AttachError, list};
use crate::persist::BucketRecords;
use crate::slab::Key;

#[derive(Debug)]
pub(crate) struct ServedPool {
    pub(crate) config: PoolConfig,
    pub(crate) shaper: htb::pool::PoolShaper,
    pub(crate) supply: Supply,
    /// Deleted from the configuration, and kept for the VMs that it still has.
    pub(crate) closed: bool,
    /// Since when the supply delivers less than the pool promises, if it does.
    pub(crate) degraded: Option<Tick>,
    pub(crate) next: NextGrant,
    /// The records of its nodes in the state file.
    pub(crate) records: BucketRecords,
    pub(crate) members: Members,
}

/// When the tree can decide next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextGrant {
    /// Not before new demand.
    Idle,
    /// In this batch or, if that is over, in the next one at once.
    Now,
    At(Tick),
    /// When the supply wakes the loop.
    Supply,
}

impl ServedPool {
    pub(crate) fn new(config: PoolConfig, shaper: htb::pool::PoolShaper, supply: Supply) -> Self {
        Self {
            config,
            shaper,
            supply,
            closed: false,
            degraded: None,
            next: NextGrant::Idle,
            records: BucketRecords::default(),
            members: Members::default(),
        }
    }

    pub(crate) fn is_due(&self, now: Tick) -> bool {
        match self.next {
            NextGrant::Idle | NextGrant::Supply => false,
            NextGrant::Now => true,
            NextGrant::At(due) => due <= now,
        }
    }

    /// Gives a VM a leaf, if its namespace is allowed and its class has room. A `returning` VM met both conditions when it
    /// was first attached: neither an edit nor a restart takes the leaf away from a VM in use.
    pub(crate) fn admit(
        &mut self,
        attach: &AttachRequest,
        returning: bool,
        now: Tick,
    ) -> Result<NodeId, AttachError> {
        if self.closed {
            return Err(AttachError::DeletedPool { pool: attach.pool.clone() });
        }
        let class = attach.class.as_deref().unwrap_or_default();
        if let Some((namespace, what)) = self.refusal(&attach.namespace, class).filter(|_| !returning) {
            return Err(AttachError::NamespaceNotAllowed { namespace, what });
        }
        let admitted = if returning {
            self.shaper.attach_restored(&attach.namespace, class, now)
        } else {
            self.shaper.attach(&attach.namespace, class, now)
        };
        admitted.map_err(|refused| match refused {
            AdmissionError::UnknownClass { class } => {
                AttachError::UnknownClass { pool: attach.pool.clone(), class, classes: self.class_names() }
            }
            refused => AttachError::Admission(refused),
        })
    }

    /// The classes that take VMs, separated by commas.
    pub(crate) fn class_names(&self) -> String {
        list(self.shaper.classes().filter(|class| !class.deleted).map(|class| class.name))
    }

    /// If the namespace may not use the class (`""`: the default class): the namespace, and the pool or class that excludes
    /// it.
    pub(crate) fn refusal(&self, namespace: &str, class: &str) -> Option<(String, String)> {
        let class = if class.is_empty() { &self.config.params.default_class } else { class };
        let what = if !self.config.namespaces.contains(namespace) {
            format!("pool {}", self.config.name)
        } else if !self.config.class_namespaces.get(class).is_none_or(|set| set.contains(namespace)) {
            format!("class {class}")
        } else {
            return None;
        };
        Some((namespace.to_owned(), what))
    }

    /// Whether the supply is degraded and this leaf may not be served from it.
    pub(crate) fn is_withheld(&self, leaf: NodeId) -> bool {
        self.degraded.is_some() && !self.allows_degraded(leaf)
    }

    /// Whether this leaf may be served from a degraded supply.
    pub(crate) fn allows_degraded(&self, leaf: NodeId) -> bool {
        self.config.supply.allows_degraded(self.shaper.class_of(leaf))
    }

    /// How many connections the VM of this leaf may have if it is no QEMU.
    pub(crate) fn max_connections(&self, leaf: NodeId) -> usize {
        self.config.max_connections(self.shaper.class_of(leaf))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// Members: VMs by their leaves.
impl ServedPool {
    /// Records that a leaf is this VM's, in the leaf's class of the tree.
    pub(crate) fn set_member(&mut self, leaf: NodeId, vm: Key) {
        self.members.set(leaf, vm, self.shaper.class_of(leaf));
    }

    /// Removes a leaf with its demand and its debt.
    pub(crate) fn remove_member(&mut self, leaf: NodeId, now: Tick) {
        let overlimits = self.overlimits(leaf);
        let namespace = self.namespace_overlimits(leaf);
        self.shaper.detach(leaf, now);
        self.members.remove(leaf, overlimits);
        self.keep_overlimits(namespace);
        self.next = NextGrant::Now;
    }

    /// Moves a leaf to another class (`""`: the default class).
    pub(crate) fn move_member(&mut self, leaf: NodeId, class: &str, now: Tick) -> Result<(), AdmissionError> {
        let namespace = self.namespace_overlimits(leaf);
        self.shaper.move_to(leaf, class, now)?;
        self.keep_overlimits(namespace);
        if let Some(vm) = self.members.vm(leaf) {
            self.set_member(leaf, vm);
        }
        self.next = NextGrant::Now;
        Ok(())
    }

    /// The node of a leaf's namespace, if it has one, and its overlimits.
    fn namespace_overlimits(&self, leaf: NodeId) -> Option<(NodeId, u64)> {
        let (class, name) = (self.shaper.class_of(leaf), self.shaper.namespace_of(leaf));
        let node = self.shaper.namespaces(class).find(|namespace| namespace.name == name)?.node?;
        Some((node, self.overlimits(node)))
    }

    /// Keeps a namespace's overlimits if its node was removed with its last member.
    fn keep_overlimits(&mut self, namespace: Option<(NodeId, u64)>) {
        if let Some((node, overlimits)) = namespace
            && !self.shaper.tree().contains(node)
        {
            self.members.add_removed_namespace(overlimits);
        }
    }

    /// Of all VMs and namespaces, present and past.
    pub(crate) fn overlimits_below_classes(&self) -> Overlimits {
        let mut sum = self.members.removed();
        let namespaces = self.shaper.classes().flat_map(|class| self.shaper.namespaces(class.name));
        let nodes = namespaces.filter_map(|namespace| namespace.node);
        sum.namespace += nodes.map(|node| self.overlimits(node)).sum::<u64>();
        sum.vm += self.members.leaves().map(|leaf| self.overlimits(leaf)).sum::<u64>();
        sum
    }

    fn overlimits(&self, node: NodeId) -> u64 {
        let tree = self.shaper.tree();
        // Counters do not depend on the time.
        tree.stats(node, Tick(0)).overlimits
    }
}
