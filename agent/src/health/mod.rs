//! The state that the process reports in addition to what it serves: its health, the registration of its CSI driver, and a
//! log of its sources.

pub(crate) mod driver_registration;
pub(crate) mod source_health_file;
pub(crate) mod source_log;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use self::source_health_file::SourceHealthFile;
use crate::checkpoint::{WriteCondition, WriteFailure};

/// Problems of the process that have no effect on VMs.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthCondition {
    /// How many workers before this one hung and were killed.
    pub(crate) hangs: u64,
    /// Why the checkpoint could not be written.
    pub(crate) unwritable: Option<WriteFailure>,
    /// Why the health of sources could not be written.
    pub(crate) health_unwritable: Option<WriteFailure>,
}

/// Collects the [`HealthCondition`].
#[derive(Debug, Default)]
pub(crate) struct HealthConditions {
    hangs: AtomicU64,
    checkpoint: Mutex<Option<WriteCondition>>,
    source_health: Mutex<Option<SourceHealthFile>>,
}

impl HealthConditions {
    pub(crate) fn set_hangs(&self, hangs: u64) {
        self.hangs.store(hangs, Ordering::Relaxed);
    }

    pub(crate) fn watch_checkpoint(&self, checkpoint: WriteCondition) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }

    pub(crate) fn watch_source_health(&self, file: SourceHealthFile) {
        *self.source_health.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    pub(crate) fn get(&self) -> HealthCondition {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritable = checkpoint.as_ref().and_then(WriteCondition::unwritable);
        let source_health = self.source_health.lock().unwrap_or_else(PoisonError::into_inner);
        let health_unwritable = source_health.as_ref().and_then(SourceHealthFile::unwritable);
        HealthCondition { hangs: self.hangs.load(Ordering::Relaxed), unwritable, health_unwritable }
    }
}
