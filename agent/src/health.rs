//! What is out of order about the process, and VMs do not notice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::checkpoint::{WriteCondition, WriteFailure};

/// How it stands at one instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthCondition {
    /// So many workers before this one hung and were killed.
    pub(crate) hangs: u64,
    /// Why what is new is not on disk.
    pub(crate) unwritable: Option<WriteFailure>,
}

/// Where it is found out.
#[derive(Debug, Default)]
pub(crate) struct HealthConditions {
    hangs: AtomicU64,
    checkpoint: Mutex<Option<WriteCondition>>,
}

impl HealthConditions {
    pub(crate) fn hung(&self, times: u64) {
        self.hangs.store(times, Ordering::Relaxed);
    }

    pub(crate) fn kept_by(&self, checkpoint: WriteCondition) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }

    pub(crate) fn now(&self) -> HealthCondition {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritable = checkpoint.as_ref().and_then(WriteCondition::unwritable);
        HealthCondition { hangs: self.hangs.load(Ordering::Relaxed), unwritable }
    }
}
