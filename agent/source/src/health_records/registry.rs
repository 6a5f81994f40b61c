//! The records of this process, and where they are stored.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use super::records::{AlarmRecord, FailureRecord, HealthChange, HealthEvent, HealthRecords, RecordKey};
use crate::health::Cause;
use crate::spec::SourceSpec;
use crate::waker::lock;

/// Stores the records where they outlive the process.
pub trait HealthStore: Debug + Send + Sync {
    /// All records; `None` if they cannot be read.
    fn load(&self) -> Option<HealthRecords>;

    /// Applies the changes to the stored records, in which another process may have changed something since. Returns when
    /// they are stored, or cannot be.
    fn record(&self, changes: &[HealthChange]);
}

/// The records of all sources of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthRegistry(Arc<SharedRecords>);

#[derive(Debug, Default)]
struct SharedRecords {
    records: Mutex<HealthRecords>,
    storage: OnceLock<RecordStorage>,
}

#[derive(Debug)]
struct RecordStorage {
    store: Box<dyn HealthStore>,
    /// Returns seconds of Unix time.
    wall: fn() -> u64,
}

/// The record of one source of one pool.
#[derive(Debug)]
pub(crate) struct SourceRecord {
    key: Mutex<RecordKey>,
    registry: HealthRegistry,
    /// Changes that are not stored yet.
    pending: Mutex<Vec<HealthChange>>,
}

impl HealthRegistry {
    /// Loads the stored records and stores all changes from now on. `wall` returns seconds of Unix time.
    pub(crate) fn store_in(&self, store: Box<dyn HealthStore>, wall: fn() -> u64) {
        // Only the first store counts, and there is only one.
        let _ = self.0.storage.set(RecordStorage { store, wall });
        self.reload();
    }

    /// Loads the stored records again; returns whether that succeeded.
    pub(crate) fn reload(&self) -> bool {
        let loaded = self.0.storage.get().and_then(|storage| storage.store.load());
        let is_loaded = loaded.is_some();
        if let Some(loaded) = loaded {
            *lock(&self.0.records) = loaded;
        }
        is_loaded
    }

    /// The record of a pool's source.
    pub(crate) fn of(&self, pool: &str, spec: &SourceSpec) -> SourceRecord {
        let claim = u32::from(spec.tested_min_entropy().thousandths());
        let key = RecordKey { source: spec.kind.to_string(), identity: None, pool: pool.to_owned(), claim };
        SourceRecord { key: Mutex::new(key), registry: self.clone(), pending: Mutex::default() }
    }
}

impl SourceRecord {
    /// The source was opened, and this is what it is. Returns whether this is new.
    pub(crate) fn identify(&self, identity: Option<String>) -> bool {
        let mut key = lock(&self.key);
        let is_new = identity.is_some() && key.identity != identity;
        if is_new {
            key.identity = identity;
        }
        is_new
    }

    fn key(&self) -> RecordKey {
        lock(&self.key).clone()
    }

    /// Why the source is off, if it failed and has not passed a retest since.
    pub(crate) fn failure(&self) -> Option<FailureRecord> {
        let key = self.key();
        lock(&self.registry.0.records).failure(&key).cloned()
    }

    /// The last alarms, oldest first.
    pub(crate) fn alarms(&self) -> Vec<AlarmRecord> {
        let key = self.key();
        lock(&self.registry.0.records).alarms(&key).cloned().collect()
    }

    /// Intermittent alarms since the last retest, of this claim and lower ones.
    pub(crate) fn intermittent_alarms(&self) -> u32 {
        let key = self.key();
        let counts = |alarm: &&AlarmRecord| !alarm.retested && !alarm.permanent && alarm.claim <= key.claim;
        let records = lock(&self.registry.0.records);
        let count = records.alarms(&key).filter(counts).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Records an alarm when [`save`](Self::save) is called.
    pub(crate) fn raise(&self, alarm: AlarmRecord) {
        let time = self.registry.0.storage.get().map_or(0, |storage| (storage.wall)());
        let alarm = AlarmRecord { time, claim: lock(&self.key).claim, is_new: true, ..alarm };
        self.push(HealthEvent::Alarm(alarm));
    }

    /// Records a permanent failure: at once for the other pools of this process.
    pub(crate) fn fail(&self, cause: Cause, message: String) {
        let event = HealthEvent::Failed { reason: cause.reason().to_owned(), message };
        HealthChange { key: self.key(), event: event.clone() }.apply(&mut lock(&self.registry.0.records));
        self.push(event);
    }

    /// Records that a retest passed, when [`save`](Self::save) is called.
    pub(crate) fn pass(&self) {
        self.push(HealthEvent::Passed);
    }

    /// Stores the changes, and then shows them to readers: what is logged is stored. Waits for the disk.
    pub(crate) fn save(&self) {
        let changes = std::mem::take(&mut *lock(&self.pending));
        if changes.is_empty() {
            return;
        }
        if let Some(storage) = self.registry.0.storage.get() {
            storage.store.record(&changes);
        }
        let mut records = lock(&self.registry.0.records);
        for change in &changes {
            change.apply(&mut records);
        }
    }

    fn push(&self, event: HealthEvent) {
        let key = self.key();
        lock(&self.pending).push(HealthChange { key, event });
    }
}
