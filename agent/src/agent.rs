//! A running data plane with the configuration it runs and the VMs attached to it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dataplane::{DataPlaneHandle, DataPlaneOptions, DataPlaneSnapshot, SocketStoreLink, StartError, Stopped};
use delivery::{NodeConfig, PoolRefusal, Version};
use htb::Tick;

use crate::attachments::{Attachments, ServedTotals};
use crate::config::apply::apply;
use crate::config::error::ApplyConfigError;
use crate::config::orphans::Orphans;
use crate::config::pool_by_pool::{AppliedPools, PoolByPool};
use crate::health::HealthConditions;
use crate::health::driver_registration::RegistrationMonitor;
use crate::health::source_health_file::SourceHealthFile;
use crate::health::source_log::SourceLog;
use crate::vmgenid::VmgenidMonitor;

/// The history of applied configurations.
#[derive(Debug, Default)]
struct Applied {
    at: Option<Tick>,
    count: u64,
    /// Those of them that were older than the ones they replaced.
    rolled_back: u64,
    /// Empty without a controller.
    version: Version,
}

impl Applied {
    fn record(&mut self, now: Tick) {
        self.at = Some(now);
        self.count += 1;
    }
}

/// The orphans, and which rules they follow.
#[derive(Debug, Default)]
struct OrphanState {
    orphans: Orphans,
    /// All VMs of the previous process are attached: orphans accept no other VMs.
    closed: bool,
}

/// The applied configuration, for status and metrics.
#[derive(Clone, Debug)]
pub(crate) struct AppliedConfig {
    /// In nanoseconds; `None` before the first configuration.
    pub(crate) age: Option<u64>,
    /// Number of configurations applied so far.
    pub(crate) applied: u64,
    /// Those of them that were older than the ones they replaced.
    pub(crate) rolled_back: u64,
    /// Empty without a controller.
    pub(crate) version: Version,
}

/// A running data plane with its configuration. Methods block for one iteration of the data plane's event loop.
#[derive(Debug)]
pub struct Agent {
    /// Dropped before the data plane, which it queries.
    source_log: SourceLog,
    /// `None` where the kernel does not allow it.
    _vmgenid: Option<VmgenidMonitor>,
    server: DataPlaneHandle,
    config: Arc<RwLock<Arc<NodeConfig>>>,
    applied: Mutex<Applied>,
    /// Locked before all others.
    orphans: Mutex<OrphanState>,
    attachments: Arc<Attachments>,
    health: HealthConditions,
    registration: Arc<RegistrationMonitor>,
}

impl Agent {
    /// Starts a data plane without pools, whose sources are as healthy as the state directory says, if there is one.
    pub fn start(options: DataPlaneOptions, state_dir: Option<&Path>) -> Result<Self, StartError> {
        Self::start_with_store(options, state_dir, None)
    }

    /// The same, with a store for the sockets.
    pub(crate) fn start_with_store(
        options: DataPlaneOptions,
        state_dir: Option<&Path>,
        store: Option<SocketStoreLink>,
    ) -> Result<Self, StartError> {
        let server = dataplane::start_with_store(options, store)?;
        let health = HealthConditions::default();
        let file = state_dir.map(SourceHealthFile::new);
        if let Some(file) = &file {
            server.store_source_health(Box::new(file.clone()));
            health.watch_source_health(file.clone());
        }
        let source_log =
            SourceLog::start(server.clone(), file).map_err(|source| StartError::Thread { source })?;
        let vmgenid = VmgenidMonitor::start(server.clone())
            .inspect_err(|error| tracing::warn!(%error, "vmgenid monitoring unavailable"))
            .ok();
        let config = Arc::<RwLock<_>>::default();
        let attachments = Arc::new(Attachments::new(server.clone(), Arc::clone(&config)));
        Ok(Self {
            source_log,
            _vmgenid: vmgenid,
            server,
            config,
            applied: Mutex::default(),
            orphans: Mutex::default(),
            attachments,
            health,
            registration: Arc::default(),
        })
    }

    /// Restores the orphans of the previous process, which accept its VMs until
    /// [`discard_unclaimed`](Self::discard_unclaimed). Must be called before the first configuration is applied.
    pub fn restore_orphans(&self, orphans: NodeConfig) {
        self.orphans().orphans = Orphans::new(orphans);
    }

    /// The pools and classes that are no longer configured but still have VMs. The next process must
    /// [restore](Self::restore_orphans) them.
    pub(crate) fn current_orphans(&self) -> Orphans {
        let mut state = self.orphans();
        if state.closed
            && !state.orphans.is_empty()
            && let Ok(now) = self.server.snapshot()
        {
            let config = self.config();
            state.orphans = Orphans::remaining(&state.orphans.beside(&config), &config, &now);
        }
        state.orphans.clone()
    }

    /// Applies `config`, at once and pool by pool: one that cannot be applied stays as it is, and is not served if it is
    /// new. Returns these. VMs keep their connections, tokens and debts.
    pub fn apply(&self, config: &Arc<NodeConfig>) -> Result<Vec<PoolRefusal>, ApplyConfigError> {
        let last_good = self.config();
        self.apply_pools(PoolByPool::new(NodeConfig::clone(config), &last_good))
    }

    /// The same, where some pools may be refused already. An error means that nothing has changed.
    pub(crate) fn apply_pools(
        &self,
        mut attempt: PoolByPool<'_>,
    ) -> Result<Vec<PoolRefusal>, ApplyConfigError> {
        let mut state = self.orphans();
        let before = state.orphans.beside(&self.config());
        loop {
            let applied = if state.closed {
                apply(attempt.config(), &self.server)
            } else {
                apply(&state.orphans.beside(attempt.config()), &self.server)
            };
            let Err(error) = applied else { break };
            let Some(pool) = error.pool() else { return Err(error) };
            // What remains may be an orphan, which is served for the VMs that it has.
            if !attempt.refuse(pool, error.to_nack()) && (state.closed || !state.orphans.remove(pool)) {
                return Err(error);
            }
        }
        let AppliedPools { config, refused } = attempt.applied();
        if state.closed {
            state.orphans = self.remaining_orphans(&before, &config);
        }
        self.source_log.pools_changed();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.applied().record(dataplane::now());
        Ok(refused)
    }

    fn remaining_orphans(&self, before: &NodeConfig, config: &NodeConfig) -> Orphans {
        // A data plane that has stopped has no VMs.
        self.server.snapshot().map(|now| Orphans::remaining(before, config, &now)).unwrap_or_default()
    }

    /// The applied configuration.
    pub fn config(&self) -> Arc<NodeConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Age and ordinal of the applied configuration.
    pub(crate) fn applied_config(&self) -> AppliedConfig {
        let history = self.applied();
        let age = history.at.map(|at| dataplane::now().0.saturating_sub(at.0));
        let Applied { count: applied, rolled_back, .. } = *history;
        AppliedConfig { age, applied, rolled_back, version: history.version.clone() }
    }

    /// The controller's version of the applied configuration.
    pub(crate) fn set_config_version(&self, version: &Version) {
        self.applied().version = version.clone();
    }

    /// The applied configuration is older than the one before.
    pub(crate) fn count_rollback(&self) {
        self.applied().rolled_back += 1;
    }

    /// The VMs that are attached.
    pub fn attachments(&self) -> &Arc<Attachments> {
        &self.attachments
    }

    /// All VMs of the previous process are attached: closes the orphans to other VMs, and discards what the crash state
    /// holds of VMs that are not attached.
    pub fn discard_unclaimed(&self) {
        let mut state = self.orphans();
        if !std::mem::replace(&mut state.closed, true) && !state.orphans.is_empty() {
            let config = self.config();
            let before = state.orphans.beside(&config);
            match apply(&config, &self.server) {
                Ok(()) => state.orphans = self.remaining_orphans(&before, &config),
                // The same configuration with the orphans in it was applied before.
                Err(error) => tracing::error!(%error, "deleted classes still accept VMs"),
            }
        }
        self.server.discard_unclaimed();
    }

    /// A snapshot of the data plane, in which the counters of VMs, classes and pools include what was served before this
    /// process.
    pub fn snapshot(&self) -> Result<DataPlaneSnapshot, Stopped> {
        let mut snapshot = self.server().snapshot()?;
        self.attachments.table().served_before().add_to(&mut snapshot);
        Ok(snapshot)
    }

    /// What VMs, classes and pools were served over all processes.
    pub fn served(&self) -> Result<ServedTotals, Stopped> {
        let snapshot = self.snapshot()?;
        Ok(self.attachments.table().served(&snapshot))
    }

    /// Problems of the process that have no effect on VMs.
    pub(crate) fn health(&self) -> &HealthConditions {
        &self.health
    }

    /// The registration of the CSI driver with the kubelet.
    pub(crate) fn driver_registration(&self) -> &Arc<RegistrationMonitor> {
        &self.registration
    }

    /// The data plane, for calls that need no configuration.
    pub(crate) fn server(&self) -> &DataPlaneHandle {
        &self.server
    }

    /// Serves pending requests for at most `within`, and removes all sockets.
    pub fn drain(&self, within: Duration) {
        self.server.drain(within);
        self.server.join();
    }

    fn applied(&self) -> MutexGuard<'_, Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orphans(&self) -> MutexGuard<'_, OrphanState> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
