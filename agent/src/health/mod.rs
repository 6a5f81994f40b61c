//! The state that the process reports in addition to what it serves: its health, the registration of its CSI driver, and a
//! log of its sources.

pub(crate) mod driver_registration;
pub(crate) mod refused_manifests;
pub(crate) mod source_health_file;
pub(crate) mod source_log;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use self::refused_manifests::RefusedManifests;
use self::source_health_file::SourceHealthFile;
use crate::checkpoint::{AcceptedSpecs, WriteCondition, WriteFailure};

/// Problems of the process that have no effect on VMs.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthCondition {
    /// How many workers before this one hung and were killed.
    pub(crate) hangs: u64,
    /// Why the checkpoint could not be written.
    pub(crate) unwritable: Option<WriteFailure>,
    /// Why the health of sources could not be written.
    pub(crate) health_unwritable: Option<WriteFailure>,
    /// What of a host's manifests is not in effect.
    pub(crate) refused_manifests: Option<RefusedManifests>,
}

/// What a host's daemon has accepted, for those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct AcceptedManifests {
    pub(crate) specs: AcceptedSpecs,
    /// The files and directories that they are read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Collects the [`HealthCondition`].
#[derive(Debug, Default)]
pub(crate) struct HealthConditions {
    hangs: AtomicU64,
    checkpoint: Mutex<Option<WriteCondition>>,
    source_health: Mutex<Option<SourceHealthFile>>,
    refused_manifests: Mutex<Option<RefusedManifests>>,
    manifests: Mutex<AcceptedManifests>,
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

    pub(crate) fn set_accepted_manifests(&self, manifests: AcceptedManifests) {
        *self.manifests.lock().unwrap_or_else(PoisonError::into_inner) = manifests;
    }

    pub(crate) fn accepted_manifests(&self) -> AcceptedManifests {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A sentence for each thing that is refused now.
    pub(crate) fn set_refused_manifests(&self, problems: Vec<String>) {
        let mut refused = self.refused_manifests.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = RefusedManifests::now(refused.take(), problems);
    }

    pub(crate) fn get(&self) -> HealthCondition {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritable = checkpoint.as_ref().and_then(WriteCondition::unwritable);
        let source_health = self.source_health.lock().unwrap_or_else(PoisonError::into_inner);
        let health_unwritable = source_health.as_ref().and_then(SourceHealthFile::unwritable);
        let refused_manifests = self.refused_manifests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hangs = self.hangs.load(Ordering::Relaxed);
        HealthCondition { hangs, unwritable, health_unwritable, refused_manifests }
    }
}
