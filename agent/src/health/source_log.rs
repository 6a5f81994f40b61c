//! Logs each change of a source's state and of what a pool serves.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dataplane::{DataPlaneHandle, SourcesSnapshot};
use source::health::HealthState;
use source::{AlarmRecord, PoolStatus, Serving, SourceStatus};

use super::source_health_file::SourceHealthFile;

/// How often the sources are polled while any pool has some.
const INTERVAL: Duration = Duration::from_secs(1);

/// The logging thread. It sleeps while all pools draw from the kernel alone.
#[derive(Debug)]
pub(crate) struct SourceLog {
    /// `None` only while it is dropped.
    changed: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SourceLog {
    /// `file` is where the sources store their health: what could not be written is written again.
    pub(crate) fn start(server: DataPlaneHandle, file: Option<SourceHealthFile>) -> io::Result<Self> {
        let (changed, receiver) = channel();
        let thread = thread::Builder::new()
            .name("source-log".to_owned())
            .spawn(move || run(&server, file.as_ref(), &receiver))?;
        Ok(Self { changed: Some(changed), thread: Some(thread) })
    }

    pub(crate) fn pools_changed(&self) {
        // The thread receives until the sender is dropped.
        let _ = self.changed.as_ref().map(|changed| changed.send(()));
    }
}

impl Drop for SourceLog {
    fn drop(&mut self) {
        self.changed = None;
        // A panic has been reported already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(server: &DataPlaneHandle, file: Option<&SourceHealthFile>, receiver: &Receiver<()>) {
    let mut logged = LoggedState::default();
    loop {
        let now = server.sources();
        logged.log_changes(&now);
        if let Some(file) = file {
            file.retry();
        }
        let outcome = if now.pools.is_empty() {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(INTERVAL)
        };
        if outcome == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// The state last logged for each pool and each of its sources.
#[derive(Default)]
struct LoggedState {
    pools: BTreeMap<String, Serving>,
    sources: BTreeMap<(String, String), (HealthState, Option<&'static str>)>,
    /// The ordinal of the last alarm of each source.
    alarms: BTreeMap<(String, String), u64>,
}

impl LoggedState {
    fn log_changes(&mut self, now: &SourcesSnapshot) {
        // A pool that is removed and comes back has the alarms that it had.
        let mut next = Self { alarms: std::mem::take(&mut self.alarms), ..Self::default() };
        for pool in &now.pools {
            if self.pools.get(&pool.name) != Some(&pool.serving) {
                log_pool(pool);
            }
            next.pools.insert(pool.name.clone(), pool.serving);
            for source in &pool.sources {
                let (key, is) = ((pool.name.clone(), source.name.clone()), (source.state, source.reason));
                if self.sources.get(&key) != Some(&is) {
                    log_source(&pool.name, source);
                }
                let logged = next.alarms.entry(key.clone()).or_default();
                *logged = log_alarms(&pool.name, source, *logged);
                next.sources.insert(key, is);
            }
        }
        *self = next;
    }
}

/// Logs the alarms after this ordinal, however soon the source recovered; returns the last ordinal.
fn log_alarms(pool: &str, status: &SourceStatus, logged: u64) -> u64 {
    let source = &status.name;
    // Another process has logged the others.
    for alarm in status.alarms.iter().filter(|alarm| alarm.is_new && alarm.ordinal > logged) {
        let AlarmRecord { ordinal, offset, test, count, permanent, .. } = alarm;
        tracing::error!(pool, source, ordinal, test, offset, count, permanent, "health test failed");
    }
    status.alarms.last().map_or(0, |alarm| alarm.ordinal)
}

fn log_pool(status: &PoolStatus) {
    let (pool, why) = (&status.name, &status.message);
    match status.serving {
        Serving::Promised => tracing::info!(pool, "serves what it promises"),
        Serving::Starting => tracing::info!(pool, why, "serves nothing yet"),
        Serving::Degraded => tracing::error!(pool, why, "serves less than it promises"),
        Serving::Held => tracing::error!(pool, why, "serves nothing"),
    }
}

fn log_source(pool: &str, status: &SourceStatus) {
    let (source, why, reason) = (&status.name, &status.message, status.reason);
    match status.state {
        HealthState::Healthy if reason.is_some() => {
            tracing::warn!(pool, source, reason, why, "source earns no credit");
        }
        HealthState::Healthy => tracing::info!(pool, source, kind = %status.kind, "source healthy"),
        HealthState::Starting => {
            tracing::info!(pool, source, kind = %status.kind, "source in its start-up test");
        }
        HealthState::Suspect => tracing::warn!(pool, source, reason, why, "source suspect"),
        HealthState::Unavailable => tracing::warn!(pool, source, reason, why, "source unavailable"),
        HealthState::Failed => tracing::error!(pool, source, reason, why, "source failed"),
    }
}
