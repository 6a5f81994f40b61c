//! A pool as the loop sees it: a class tree, a supply, and when to look at them again.

use htb::pool::AttachError as Admission;
use htb::{NodeId, Tick};
use source::Supply;

use crate::attach::names;
use crate::attach_error::AttachError;
use crate::config::{AttachRequest, PoolConfig};
use crate::members::Members;
use crate::persist::BucketRecords;
use crate::slab::Key;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) setup: PoolConfig,
    pub(crate) shaper: htb::pool::Pool,
    pub(crate) supply: Supply,
    /// It has gone from the configuration and stays for the VMs it has.
    pub(crate) closed: bool,
    /// Since when the supply gives less than the pool promises, if it does.
    pub(crate) degraded: Option<Tick>,
    pub(crate) next: NextGrant,
    /// Where its nodes are noted.
    pub(crate) records: BucketRecords,
    /// Connections whose 0x01 is decided when nobody can be granted more.
    pub(crate) to_settle: Vec<Key>,
    pub(crate) members: Members,
}

/// When the tree has something to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextGrant {
    /// Not before somebody asks.
    Idle,
    /// In this batch or, if that is over, at once after it.
    Now,
    /// At this instant.
    At(Tick),
    /// When the supply rings the bell.
    Supply,
}

impl Pool {
    pub(crate) fn new(setup: PoolConfig, shaper: htb::pool::Pool, supply: Supply) -> Self {
        Self {
            setup,
            shaper,
            supply,
            closed: false,
            degraded: None,
            next: NextGrant::Idle,
            records: BucketRecords::default(),
            to_settle: Vec::new(),
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

    /// Gives a VM a leaf, if its namespace may have one and its class has room. One that comes `back` had both when it
    /// came first: an edit takes nothing away from those that draw, nor does a restart.
    pub(crate) fn admit(
        &mut self,
        attach: &AttachRequest,
        back: bool,
        now: Tick,
    ) -> Result<NodeId, AttachError> {
        if self.closed {
            return Err(AttachError::ClosedPool { pool: attach.pool.clone() });
        }
        let class = attach.class.as_deref().unwrap_or_default();
        if let Some((namespace, what)) = self.refuses(&attach.namespace, class).filter(|_| !back) {
            return Err(AttachError::NamespaceNotAllowed { namespace, what });
        }
        let admitted = if back {
            self.shaper.attach_restored(&attach.namespace, class, now)
        } else {
            self.shaper.attach(&attach.namespace, class, now)
        };
        admitted.map_err(|refused| match refused {
            Admission::UnknownClass { class } => {
                AttachError::UnknownClass { pool: attach.pool.clone(), class, classes: self.class_names() }
            }
            refused => AttachError::Admission(refused),
        })
    }

    /// The classes that take VMs, with commas between them.
    pub(crate) fn class_names(&self) -> String {
        names(self.shaper.classes().filter(|class| !class.deleted).map(|class| class.name))
    }

    /// The namespace, and the pool or class that it may not use; `""` is the default class.
    pub(crate) fn refuses(&self, namespace: &str, class: &str) -> Option<(String, String)> {
        let class = if class.is_empty() { &self.setup.params.default_class } else { class };
        let what = if !self.setup.namespaces.contains(namespace) {
            format!("pool {}", self.setup.name)
        } else if !self.setup.class_namespaces.get(class).is_none_or(|set| set.contains(namespace)) {
            format!("class {class}")
        } else {
            return None;
        };
        Some((namespace.to_owned(), what))
    }

    /// Whether what the supply gives at the moment is not for this leaf.
    pub(crate) fn is_shut(&self, leaf: NodeId) -> bool {
        self.degraded.is_some() && !self.allows_degraded(leaf)
    }

    /// Whether this leaf may be served less than the pool promises.
    pub(crate) fn allows_degraded(&self, leaf: NodeId) -> bool {
        self.setup.supply.allows_degraded(self.shaper.class_of(leaf))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
