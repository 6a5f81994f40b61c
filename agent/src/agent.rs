//! The agent as a whole: the data plane, the configuration it runs, and the VMs it was told of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dataplane::{
    AttachError, AttachRequest, DataPlaneHandle, DataPlaneOptions, DetachError, HandoverOutcome,
    ListenerLocation, MoveError, Snapshot, StartError, Stopped, VmState,
};
use delivery::{NodeConfig, Version};
use htb::Tick;

use crate::apply::{ApplyError, apply};
use crate::checkpoint::{CheckpointState, SavedVm, ServedTotals, WriteCondition};
use crate::handover::{HandoverError, Recipient, Sockets};
use crate::health::{HealthCondition, HealthConditions};
use crate::kubelet::RegistrationMonitor;
use crate::orphans::Orphans;
use crate::places::Places;
use crate::roll::Roll;
use crate::sources::SourceLog;
use crate::vmgenid::VmgenidMonitor;

/// When a configuration was put in force.
#[derive(Debug, Default)]
struct Applied {
    at: Option<Tick>,
    applied: u64,
    /// How many of them were older than what they replaced.
    rolled_back: u64,
    /// What a controller made it from; nothing without one.
    version: Version,
}

impl Applied {
    fn put(&mut self, now: Tick) {
        (self.at, self.applied) = (Some(now), self.applied + 1);
    }
}

/// What stays for the VMs that it has.
#[derive(Debug, Default)]
struct PersistedState {
    remains: Orphans,
    /// All VMs of the process before have their places: what is not in the configuration takes no more.
    settled: bool,
}

/// The configuration in force, as seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct AppliedConfig {
    /// For how many nanoseconds; nothing before the first.
    pub(crate) age: Option<u64>,
    /// Configurations put in force so far.
    pub(crate) applied: u64,
    /// How many of them were older than what they replaced.
    pub(crate) rolled_back: u64,
    /// What a controller made it from; nothing without one.
    pub(crate) version: Version,
}

/// A running data plane with the configuration it runs. Its methods block for a turn of the data plane's loop.
#[derive(Debug)]
pub struct Agent {
    /// Before the server: they ask that one.
    sources: SourceLog,
    /// None where the kernel does not let us listen.
    _clones: Option<VmgenidMonitor>,
    server: DataPlaneHandle,
    config: RwLock<Arc<NodeConfig>>,
    in_force: Mutex<Applied>,
    /// Locked before all others.
    orphans: Mutex<PersistedState>,
    /// Held while a VM comes, moves or goes, so that what is kept of two calls about one VM is what was done last.
    changes: Mutex<()>,
    roll: Mutex<Roll>,
    places: Places,
    disorders: HealthConditions,
    kubelet: RegistrationMonitor,
}

impl Agent {
    /// Starts a data plane that serves nothing yet.
    pub fn start(options: DataPlaneOptions) -> Result<Self, StartError> {
        let server = dataplane::start(options)?;
        let sources = SourceLog::start(server.clone()).map_err(|source| StartError::Thread { source })?;
        let (changes, roll, places) = (Mutex::default(), Mutex::default(), Places::default());
        let (config, in_force, remains) = (RwLock::default(), Mutex::default(), Mutex::default());
        let disorders = HealthConditions::default();
        let kubelet = RegistrationMonitor::default();
        let clones = VmgenidMonitor::start(server.clone());
        if let Err(error) = &clones {
            tracing::warn!(%error, "nobody will tell whether this host is cloned");
        }
        let clones = clones.ok();
        Ok(Self {
            sources,
            _clones: clones,
            server,
            config,
            in_force,
            orphans: remains,
            changes,
            roll,
            places,
            disorders,
            kubelet,
        })
    }

    /// Pools and classes that were not in the configuration any more, and stayed for the VMs that they had: until
    /// [`settle`](Self::settle) these find them. To be called before anything is applied.
    pub fn restore_orphans(&self, remains: NodeConfig) {
        self.kept().remains = Orphans::of(remains);
    }

    /// What the next start is to [`recall`](Self::recall): of what is in the configuration no more, that which has VMs now.
    pub fn remains(&self) -> NodeConfig {
        let mut kept = self.kept();
        if kept.settled
            && !kept.remains.is_empty()
            && let Ok(now) = self.server.snapshot()
        {
            let config = self.config();
            kept.remains = Orphans::left(&kept.remains.beside(&config), &config, &now);
        }
        kept.remains.config().clone()
    }

    /// Puts `config` in force, all of it or nothing. VMs keep their connections, tokens and debts.
    pub fn apply(&self, config: &Arc<NodeConfig>) -> Result<(), ApplyError> {
        let mut kept = self.kept();
        if kept.settled {
            let before = kept.remains.beside(&self.config());
            apply(config, &self.server)?;
            kept.remains = self.left(&before, config);
        } else {
            apply(&kept.remains.beside(config), &self.server)?;
        }
        self.sources.changed();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
        self.since().put(dataplane::now());
        Ok(())
    }

    fn left(&self, before: &NodeConfig, config: &NodeConfig) -> Orphans {
        // One that has stopped keeps no VM.
        self.server.snapshot().map(|now| Orphans::left(before, config, &now)).unwrap_or_default()
    }

    /// What is in force.
    pub fn config(&self) -> Arc<NodeConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For how long, and the how manieth it is.
    pub(crate) fn in_force(&self) -> AppliedConfig {
        let since = self.since();
        let age = since.at.map(|at| dataplane::now().0.saturating_sub(at.0));
        let Applied { applied, rolled_back, .. } = *since;
        AppliedConfig { age, applied, rolled_back, version: since.version.clone() }
    }

    /// What is in force was made from this.
    pub(crate) fn is_of(&self, version: &Version) {
        self.since().version = version.clone();
    }

    /// What is in force is older than what was before.
    pub(crate) fn rolled_back(&self) {
        self.since().rolled_back += 1;
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

    /// Hands everything over, or goes on. `sockets` are those at fixed paths.
    pub(crate) fn hand_over<R: Recipient>(&self, to: R, sockets: Sockets) -> Result<R::Heir, HandoverError> {
        to.offer()?;
        let before = self.roll().lives();
        let (tell, told) = channel();
        let hand = move |mut vms: Vec<VmState<BorrowedFd<'_>>>| {
            for vm in &mut vms {
                vm.bytes = vm.bytes.saturating_add(before.get(&vm.id).copied().unwrap_or_default());
            }
            let given = to.give(&vms, &sockets);
            let verdict = if given.is_ok() { HandoverOutcome::Transferred } else { HandoverOutcome::Resumed };
            // Whoever asked waits for it.
            let _ = tell.send(given);
            verdict
        };
        // A data plane that stops never calls it.
        let _ = self.server.hand_over(hand);
        told.try_recv().unwrap_or(Err(HandoverError::Stopping))
    }

    /// All VMs of the process before are attached.
    pub fn discard_unclaimed(&self) {
        let mut kept = self.kept();
        if !std::mem::replace(&mut kept.settled, true) && !kept.remains.is_empty() {
            let config = self.config();
            let before = kept.remains.beside(&config);
            match apply(&config, &self.server) {
                Ok(()) => kept.remains = self.left(&before, &config),
                // Nothing is in it that was not a moment ago.
                Err(error) => tracing::error!(%error, "classes that are gone take VMs"),
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

    /// So many workers before this one hung, and were killed.
    pub(crate) fn others_hung(&self, times: u64) {
        self.disorders.hung(times);
    }

    /// What is new of it is kept on disk, as far as that lets it.
    pub(crate) fn is_kept_by(&self, checkpoint: WriteCondition) {
        self.disorders.kept_by(checkpoint);
    }

    /// What is out of order, and VMs do not notice.
    pub(crate) fn disorder(&self) -> HealthCondition {
        self.disorders.now()
    }

    /// What the node's kubelet makes of the driver.
    pub(crate) fn kubelet(&self) -> &RegistrationMonitor {
        &self.kubelet
    }

    /// The data plane, for what needs no configuration.
    pub(crate) fn server(&self) -> &DataPlaneHandle {
        &self.server
    }

    /// Serves what may still go, `within` a time at the longest, and removes all sockets.
    pub fn drain(&self, within: Duration) {
        self.server.drain(within);
        self.server.join();
    }

    fn since(&self) -> MutexGuard<'_, Applied> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, PersistedState> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        // Nothing in there is ever half changed.
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
