//! A running data plane with the configuration it runs and the VMs attached to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dataplane::{
    AttachError, AttachRequest, DataPlaneHandle, DataPlaneOptions, DetachError, ListenerLocation, MoveError,
    Snapshot, StartError, Stopped, VmState,
};
use delivery::{NodeConfig, Version};
use htb::Tick;

use crate::checkpoint::{CheckpointState, SavedVm, ServedTotals};
use crate::config::apply::apply;
use crate::config::error::ApplyError;
use crate::config::orphans::Orphans;
use crate::health::HealthConditions;
use crate::health::driver_registration::RegistrationMonitor;
use crate::health::source_log::SourceLog;
use crate::places::Places;
use crate::roll::Roll;
use crate::vmgenid::VmgenidMonitor;

/// The history of applied configurations.
#[derive(Debug, Default)]
struct Applied {
    at: Option<Tick>,
    applied: u64,
    /// Those of them that were older than the ones they replaced.
    rolled_back: u64,
    /// Empty without a controller.
    version: Version,
}

impl Applied {
    fn record(&mut self, now: Tick) {
        (self.at, self.applied) = (Some(now), self.applied + 1);
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
    config: RwLock<Arc<NodeConfig>>,
    applied: Mutex<Applied>,
    /// Locked before all others.
    orphans: Mutex<OrphanState>,
    /// Held while a VM is attached, moved or detached, so that the state saved after two calls about one VM is that of
    /// the later one.
    changes: Mutex<()>,
    roll: Mutex<Roll>,
    places: Places,
    health: HealthConditions,
    registration: RegistrationMonitor,
}

impl Agent {
    /// Starts a data plane without pools.
    pub fn start(options: DataPlaneOptions) -> Result<Self, StartError> {
        let server = dataplane::start(options)?;
        let source_log = SourceLog::start(server.clone()).map_err(|source| StartError::Thread { source })?;
        let vmgenid = VmgenidMonitor::start(server.clone())
            .inspect_err(|error| tracing::warn!(%error, "vmgenid monitoring unavailable"))
            .ok();
        Ok(Self {
            source_log,
            _vmgenid: vmgenid,
            server,
            config: RwLock::default(),
            applied: Mutex::default(),
            orphans: Mutex::default(),
            changes: Mutex::default(),
            roll: Mutex::default(),
            places: Places::default(),
            health: HealthConditions::default(),
            registration: RegistrationMonitor::default(),
        })
    }

    /// Restores the orphans of the previous process, which accept its VMs until
    /// [`discard_unclaimed`](Self::discard_unclaimed). Must be called before the first configuration is applied.
    pub fn restore_orphans(&self, orphans: NodeConfig) {
        self.orphans().orphans = Orphans::new(orphans);
    }

    /// The pools and classes that are no longer configured and have VMs now: what the next process has to
    /// [restore](Self::restore_orphans).
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

    /// Applies `config` as a whole or not at all. VMs keep their connections, tokens and debts.
    pub fn apply(&self, config: &Arc<NodeConfig>) -> Result<(), ApplyError> {
        let mut state = self.orphans();
        if state.closed {
            let before = state.orphans.beside(&self.config());
            apply(config, &self.server)?;
            state.orphans = self.remaining_orphans(&before, config);
        } else {
            apply(&state.orphans.beside(config), &self.server)?;
        }
        self.source_log.pools_changed();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
        self.applied().record(dataplane::now());
        Ok(())
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
        let Applied { applied, rolled_back, .. } = *history;
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

    /// Gives a VM its socket and says where that is. It listens when this returns. Whoever starts the agent knows
    /// of it: it is not among [`adopted`](Self::adopted).
    pub fn attach(&self, vm: AttachRequest) -> Result<PathBuf, AttachError> {
        self.server.attach(vm)
    }

    /// Gives a VM a port of the loopback interface, which listens when this returns. It is as known to whoever starts
    /// the agent.
    pub fn attach_tcp(&self, vm: AttachRequest, address: SocketAddr) -> Result<(), AttachError> {
        self.server.attach_tcp(vm, address)
    }

    /// As [`attach`](Self::attach), with the socket in a directory that the caller made, opened and will remove, and
    /// which stays when the agent ends.
    pub fn attach_in(
        &self,
        vm: AttachRequest,
        directory: BorrowedFd,
        path: &Path,
    ) -> Result<PathBuf, AttachError> {
        self.server.attach_in(vm, directory, path)
    }

    /// Attaches a VM of which nobody will tell the next start.
    pub fn adopt(&self, vm: AttachRequest) -> Result<PathBuf, AttachError> {
        let _turn = self.turn();
        let vm = AttachRequest { class: self.class_of(&vm.pool, vm.class), ..vm };
        let (id, kept) = (vm.id.clone(), SavedVm::from(&vm));
        let socket = self.server.attach(vm)?;
        self.roll().vms.insert(id, kept);
        Ok(socket)
    }

    /// The class of a VM that may name none: it is the pool's default one now, and stays the VM's whatever becomes the
    /// default later.
    pub(crate) fn class_of(&self, pool: &str, named: Option<String>) -> Option<String> {
        let config = self.config();
        let default =
            || config.pools.iter().find(|known| known.name == pool).map(|pool| pool.default_class.clone());
        named.or_else(default)
    }

    /// The VMs of a checkpoint. One written by a version that did not keep the class of a VM which names none has it now.
    fn remembered(&self, mut state: CheckpointState) -> Roll {
        for vm in state.vms.values_mut() {
            vm.class = self.class_of(&vm.pool, vm.class.take());
        }
        Roll::of(state)
    }

    /// Attaches the VMs of a checkpoint again and counts on from what they drew; gives those that cannot be, by
    /// id. These stay [`adopted`](Self::adopted), for a start that finds their class again.
    pub fn restore(&self, state: CheckpointState) -> Vec<(String, AttachError)> {
        let mut roll = self.roll();
        *roll = self.remembered(state);
        let attach =
            |(id, vm): (&String, &SavedVm)| Some((id.clone(), self.server.attach(vm.attach(id)).err()?));
        let failed: Vec<_> = roll.vms.iter().filter_map(attach).collect();
        roll.missing = failed.iter().map(|(id, _)| id.clone()).collect();
        failed
    }

    /// Tries those again that could not be restored: their class may have come. Gives those that could be attached.
    pub fn restore_missing(&self) -> Vec<String> {
        let _turn = self.turn();
        let mut roll = self.roll();
        let missing = std::mem::take(&mut roll.missing);
        let attach =
            |id: &String| roll.vms.get(id).is_some_and(|vm| self.server.attach(vm.attach(id)).is_ok());
        let (attached, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(attach);
        roll.missing = missing.into_iter().collect();
        attached
    }

    /// Gives these VMs and those of a checkpoint their places, while another process serves them; gives those that
    /// cannot have one.
    pub fn register_expected(
        &self,
        vms: Vec<AttachRequest>,
        state: CheckpointState,
    ) -> Result<Vec<(String, AttachError)>, Stopped> {
        let mut roll = self.roll();
        *roll = self.remembered(state);
        let restored = roll.vms.iter().map(|(id, vm)| vm.attach(id));
        let wanted: BTreeMap<_, _> = restored.chain(vms).map(|vm| (vm.id.clone(), vm)).collect();
        roll.expected = wanted.keys().cloned().collect();
        let failed = self.server.register_expected(wanted)?;
        let missing = failed.iter().map(|(id, _)| id).filter(|id| roll.vms.contains_key(*id)).cloned();
        roll.missing = missing.collect();
        Ok(failed)
    }

    /// Attaches the expected VMs with what the process before left of them. Nothing of it is changed yet: see
    /// [`take_over`](Self::take_over).
    pub fn restore_connections(&self, left: Vec<VmState<OwnedFd>>) -> Result<(), Stopped> {
        self.roll().go_on(left.iter().map(|vm| (&*vm.id, vm.bytes)));
        self.server.restore_connections(left)
    }

    /// The process before serves no more: this one does. Gives the VMs whose sockets whoever starts the agent has to
    /// make: they are to be detached and attached anew.
    pub fn resume_serving(
        &self,
        places: &BTreeMap<String, ListenerLocation>,
    ) -> Result<Vec<String>, Stopped> {
        self.server.resume_serving(places)
    }

    /// Until this is dropped no VM comes, moves or goes at run time: who wants that waits.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What VMs drew before this process, by id.
    pub(crate) fn served_before(&self) -> BTreeMap<String, u64> {
        self.roll().lives()
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

    /// The VMs that were attached at run time, by id.
    pub fn adopted(&self) -> BTreeMap<String, SavedVm> {
        self.roll().vms.clone()
    }

    /// Ends a VM's connections, removes its socket and forgets it.
    pub fn detach(&self, id: &str) -> Result<(), DetachError> {
        let _turn = self.turn();
        let detached = self.server.detach(id);
        match detached {
            Err(DetachError::Stopping) => detached,
            // One that could not be attached again is gone now as well.
            _ if self.roll().forget(id) => Ok(()),
            _ => detached,
        }
    }

    /// Moves a VM to another class of its pool (`""`: the default class), with its tokens and debt.
    pub fn move_vm(&self, id: &str, class: &str) -> Result<(), MoveError> {
        let _turn = self.turn();
        self.server.move_vm(id, class)?;
        if let Some(vm) = self.roll().vms.get_mut(id) {
            vm.class = self.class_of(&vm.pool, Some(class.to_owned()).filter(|class| !class.is_empty()));
        }
        Ok(())
    }

    /// The VMs that went since this was asked last, by id: what is kept of them is of nobody.
    pub(crate) fn take_gone(&self) -> BTreeSet<String> {
        self.roll().take_gone()
    }

    /// Everything as it is now. The bytes of VMs are those of their lives, which a restart does not end.
    pub fn snapshot(&self) -> Result<Snapshot, Stopped> {
        let mut snapshot = self.server().snapshot()?;
        self.roll().count_on(&mut snapshot);
        Ok(snapshot)
    }

    /// What was served in the lives of VMs and classes.
    pub fn served(&self) -> Result<ServedTotals, Stopped> {
        let snapshot = self.snapshot()?;
        Ok(self.roll().served(&snapshot))
    }

    /// The places that pods asked the scheduler for.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// What is wrong with the process and has no effect on VMs.
    pub(crate) fn health(&self) -> &HealthConditions {
        &self.health
    }

    /// The registration of the CSI driver with the kubelet.
    pub(crate) fn driver_registration(&self) -> &RegistrationMonitor {
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

    fn roll(&self) -> MutexGuard<'_, Roll> {
        // Nothing in there is ever half changed.
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
