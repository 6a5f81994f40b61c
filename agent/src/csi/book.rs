//! Which volumes there are, and what follows from that for the next call.

use std::collections::BTreeMap;

use super::record::VolumeRecord;
use super::target::TargetPath;

/// Why a volume cannot come beside those that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConflictError {
    /// The volume is here, and something else was said of it.
    #[error("volume {volume_id} is published already for pod {pod}, with another pod, path, pool or client")]
    Different {
        /// The volume.
        volume_id: String,
        /// Whose it is.
        pod: String,
    },
    /// A pod draws from one pool.
    #[error("pod {pod} has volume {volume} of this driver already; a pod draws from one pool, by one volume")]
    SecondVolume {
        /// The pod.
        pod: String,
        /// What it calls the first.
        volume: String,
    },
}

/// What a publish call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishStep {
    /// The volume is new.
    New,
    /// It was asked before: the kubelet repeats itself.
    Again,
}

/// The published volumes.
#[derive(Debug, Default)]
pub(crate) struct Book {
    by_volume: BTreeMap<String, VolumeRecord>,
    /// The volume of each pod.
    by_pod: BTreeMap<String, String>,
}

impl Book {
    pub(crate) fn step(&self, asked: &VolumeRecord) -> Result<PublishStep, ConflictError> {
        if let Some(known) = self.by_volume.get(&asked.volume_id) {
            let different =
                || ConflictError::Different { volume_id: asked.volume_id.clone(), pod: known.pod.clone() };
            return if known.is_again(asked) { Ok(PublishStep::Again) } else { Err(different()) };
        }
        match self.by_uid(&asked.uid) {
            None => Ok(PublishStep::New),
            Some(first) => {
                let (pod, volume) = (first.pod.clone(), first.volume.clone());
                Err(ConflictError::SecondVolume { pod, volume })
            }
        }
    }

    pub(crate) fn insert(&mut self, record: VolumeRecord) {
        self.by_pod.insert(record.uid.clone(), record.volume_id.clone());
        self.by_volume.insert(record.volume_id.clone(), record);
    }

    /// The volume of that name, if it is published there.
    pub(crate) fn published(&self, volume_id: &str, target: &TargetPath) -> Option<&VolumeRecord> {
        self.by_volume.get(volume_id).filter(|record| record.target() == *target)
    }

    /// Whether some volume is published there.
    pub(crate) fn holds(&self, target: &TargetPath) -> bool {
        self.by_uid(target.uid()).is_some_and(|record| record.target() == *target)
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&VolumeRecord> {
        self.by_volume.get(self.by_pod.get(uid)?)
    }

    pub(crate) fn remove(&mut self, volume_id: &str) {
        if let Some(record) = self.by_volume.remove(volume_id) {
            self.by_pod.remove(&record.uid);
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &VolumeRecord> {
        self.by_volume.values()
    }
}
