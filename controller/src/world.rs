//! What the tasks share: all that was seen, all that was said, and the plan made of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plan::{Fleet, Plan};
use tokio::sync::{Notify, watch};

use crate::index::Index;
use crate::watch::{Kind, Relist};

/// Shared by all tasks.
#[derive(Debug)]
pub struct World {
    index: Mutex<Index>,
    fleet: Mutex<Fleet>,
    /// Rung when a plan may come out otherwise.
    pub replan: Notify,
    /// Rung when a node said something that status tells, or an object's own status changed.
    pub restate: Notify,
    /// The newest plan; none before everything was listed once.
    pub plan: watch::Sender<Option<Arc<Planned>>>,
    relists: BTreeMap<Kind, Relist>,
}

/// A plan and what it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The newest version seen of each kind when it was made.
    pub versions: BTreeMap<Kind, u64>,
    /// How often each kind had been listed by then.
    pub lists: BTreeMap<Kind, u64>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            index: Mutex::default(),
            fleet: Mutex::default(),
            replan: Notify::new(),
            restate: Notify::new(),
            plan: watch::Sender::new(None),
            relists: Kind::ALL.into_iter().map(|kind| (kind, Relist::default())).collect(),
        }
    }
}

impl World {
    /// All that was seen.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        // Nothing is left half done by a panic: every change of the index is one assignment.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that nodes said.
    pub fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may ask for a new list of a kind.
    pub fn relist(&self, kind: Kind) -> Relist {
        self.relists.get(&kind).cloned().unwrap_or_default()
    }

    /// Whether agents may be served: everything was listed, planned, and news would come.
    pub fn serves(&self) -> bool {
        self.plan.borrow().is_some() && self.index().is_live()
    }
}
