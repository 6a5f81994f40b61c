//! Failures and alarms of sources, as plain data.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Alarms that are recorded of one source of one pool.
const KEPT: usize = 16;
/// Sources of pools whose alarms are recorded.
const LOGS: usize = 256;

/// The failures and the last alarms of all sources of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthRecords {
    failures: Vec<FailureRecord>,
    alarms: Vec<AlarmLog>,
}

/// A source as one pool claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordKey {
    /// What the pool names as the source, such as "device /dev/hwrng".
    pub(super) source: String,
    /// What that turned out to be, such as "device 10:183"; `None` until it was opened.
    pub(super) identity: Option<String>,
    pub(super) pool: String,
    /// The claimed min-entropy, in thousandths of a bit.
    pub(super) claim: u32,
}

/// A source that is off until a retest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureRecord {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    pool: String,
    /// The claim that it did not fulfil, in thousandths of a bit.
    claim: u32,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The last alarms of one source of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlarmLog {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    pool: String,
    total: u64,
    last: VecDeque<AlarmRecord>,
}

/// One alarm of a health test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRecord {
    /// Counts the alarms of the source for this pool, from 1.
    pub ordinal: u64,
    /// When it was raised, in seconds of Unix time.
    pub time: u64,
    /// Bytes that were tested before those in which it was raised, since the source was opened for the pool.
    pub offset: u64,
    /// The test, as the one word for logs.
    pub test: String,
    /// What the test counted.
    pub count: u64,
    /// The claim that was tested, in thousandths of a bit.
    pub claim: u32,
    /// Whether the source is off until a retest.
    pub permanent: bool,
    /// Whether the source passed a retest since.
    pub retested: bool,
    /// Whether it was raised in this process.
    #[serde(skip)]
    pub is_new: bool,
}

/// A change of the records. Applying one twice is the same as once, except for an alarm.
#[derive(Clone, Debug)]
pub struct HealthChange {
    pub(super) key: RecordKey,
    pub(super) event: HealthEvent,
}

#[derive(Clone, Debug)]
pub(super) enum HealthEvent {
    Alarm(AlarmRecord),
    /// It failed permanently, for this reason.
    Failed {
        reason: String,
        message: String,
    },
    /// It passed the start-up test of a retest.
    Passed,
}

impl RecordKey {
    /// Whether a failure of this source is one of the key: a source that does not fulfil a lower claim does not fulfil a
    /// higher one, and a pool cannot forgive a failure by changing its claim.
    fn has(&self, failure: &FailureRecord) -> bool {
        self.is_source(&failure.source, failure.identity.as_deref())
            && (failure.pool == self.pool || failure.claim <= self.claim)
    }

    /// Whether a record of this source is one of the key's: by its name, or by what it is, whatever path leads there.
    fn is_source(&self, name: &str, identity: Option<&str>) -> bool {
        self.source == name || (identity.is_some() && self.identity.as_deref() == identity)
    }
}

impl HealthRecords {
    pub(crate) fn failure(&self, key: &RecordKey) -> Option<&FailureRecord> {
        self.failures.iter().find(|failure| key.has(failure))
    }

    /// The last alarms, oldest first.
    pub(crate) fn alarms(&self, key: &RecordKey) -> impl Iterator<Item = &AlarmRecord> {
        self.alarms.iter().filter(|log| log.is_of(key)).flat_map(|log| &log.last)
    }

    fn log(&mut self, key: &RecordKey) -> &mut AlarmLog {
        let at = self.alarms.iter().position(|log| log.is_of(key));
        let new = || {
            let RecordKey { source, identity, pool, .. } = key.clone();
            AlarmLog { source, identity, pool, total: 0, last: VecDeque::new() }
        };
        // The last one alarmed is the last one dropped.
        let log = at.map_or_else(new, |at| self.alarms.remove(at));
        if self.alarms.len() == LOGS {
            self.alarms.remove(0);
        }
        self.alarms.push(log);
        let last = self.alarms.len() - 1;
        &mut self.alarms[last]
    }

    fn remove_failures(&mut self, key: &RecordKey) {
        self.failures.retain(|failure| !key.has(failure));
    }
}

impl AlarmLog {
    fn is_of(&self, key: &RecordKey) -> bool {
        self.pool == key.pool && key.is_source(&self.source, self.identity.as_deref())
    }

    fn push(&mut self, alarm: AlarmRecord) {
        self.total += 1;
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(AlarmRecord { ordinal: self.total, ..alarm });
    }
}

impl HealthChange {
    pub fn apply(&self, records: &mut HealthRecords) {
        let Self { key, event } = self;
        match event {
            HealthEvent::Alarm(alarm) => records.log(key).push(alarm.clone()),
            HealthEvent::Failed { reason, message } => {
                let same = |failure: &FailureRecord| {
                    (&failure.source, &failure.pool, failure.claim) == (&key.source, &key.pool, key.claim)
                };
                records.failures.retain(|failure| !same(failure));
                let RecordKey { source, identity, pool, claim } = key.clone();
                let (reason, message) = (reason.clone(), message.clone());
                records.failures.push(FailureRecord { source, identity, pool, claim, reason, message });
            }
            HealthEvent::Passed => {
                records.remove_failures(key);
                for log in records.alarms.iter_mut().filter(|log| log.is_of(key)) {
                    log.last.iter_mut().for_each(|alarm| alarm.retested = true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(source: &str, pool: &str, claim: u32) -> RecordKey {
        RecordKey { source: source.to_owned(), identity: None, pool: pool.to_owned(), claim }
    }

    fn identified(source: &str, identity: &str) -> RecordKey {
        RecordKey { identity: Some(identity.to_owned()), ..key(source, "a", 8000) }
    }

    fn change(records: &mut HealthRecords, key: RecordKey, event: HealthEvent) {
        HealthChange { key, event }.apply(records);
    }

    fn failed() -> HealthEvent {
        HealthEvent::Failed { reason: "Loop".to_owned(), message: String::new() }
    }

    #[test]
    fn a_failure_is_one_of_its_pool_and_of_every_claim_that_is_not_lower() {
        let mut records = HealthRecords::default();
        change(&mut records, key("trng", "a", 4000), failed());
        for (key, fails) in [
            (key("trng", "a", 1000), true),
            (key("trng", "a", 8000), true),
            (key("trng", "b", 4000), true),
            (key("trng", "b", 3999), false),
            (key("other", "a", 8000), false),
        ] {
            assert_eq!(records.failure(&key).is_some(), fails, "{key:?}");
        }
    }

    #[test]
    fn a_failure_is_one_of_the_device_whatever_path_leads_to_it() {
        let mut records = HealthRecords::default();
        change(&mut records, identified("/dev/hwrng", "10:183"), failed());
        for (key, fails) in [
            (identified("/dev/other", "10:183"), true),
            (identified("/dev/hwrng", "10:184"), true),
            (key("/dev/hwrng", "a", 8000), true),
            (identified("/dev/other", "10:184"), false),
            (key("/dev/other", "a", 8000), false),
        ] {
            assert_eq!(records.failure(&key).is_some(), fails, "{key:?}");
        }
        change(&mut records, identified("/dev/other", "10:183"), HealthEvent::Passed);
        assert_eq!(records.failures, []);
    }

    #[test]
    fn only_a_passed_retest_of_a_claim_that_is_not_lower_removes_a_failure_of_another_pool() {
        let mut records = HealthRecords::default();
        change(&mut records, key("trng", "a", 4000), failed());
        change(&mut records, key("trng", "a", 4000), failed());
        change(&mut records, key("trng", "b", 3000), HealthEvent::Passed);
        assert_eq!(records.failures.len(), 1);
        change(&mut records, key("trng", "b", 4000), HealthEvent::Passed);
        assert_eq!(records.failures, []);
    }

    #[test]
    fn the_last_alarms_are_recorded_and_marked_by_a_retest() {
        let mut records = HealthRecords::default();
        let trng = || key("trng", "a", 8000);
        for offset in 1..=20 {
            change(
                &mut records,
                trng(),
                HealthEvent::Alarm(AlarmRecord { offset, ..AlarmRecord::default() }),
            );
        }
        change(&mut records, trng(), HealthEvent::Passed);
        change(&mut records, trng(), HealthEvent::Alarm(AlarmRecord::default()));
        let alarms: Vec<_> = records.alarms(&trng()).map(|alarm| (alarm.ordinal, alarm.retested)).collect();
        assert_eq!((alarms.len(), alarms[0], alarms[15]), (KEPT, (6, true), (21, false)));
        assert_eq!(records.alarms(&key("trng", "b", 8000)).count(), 0);
    }

    #[test]
    fn logs_are_bounded_and_the_oldest_is_dropped_first() {
        let mut records = HealthRecords::default();
        let alarm = || HealthEvent::Alarm(AlarmRecord::default());
        change(&mut records, key("first", "a", 1), alarm());
        for at in 0..LOGS {
            change(&mut records, key(&at.to_string(), "a", 1), alarm());
        }
        assert_eq!(records.alarms.len(), LOGS);
        assert_eq!(records.alarms(&key("first", "a", 1)).count(), 0);
    }
}
