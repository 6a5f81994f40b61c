//! A planned restart, from both sides: taking over from a process that serves, and handing over to the next one.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use dataplane::{HandoverOutcome, VmState};
use source::Serving;

use super::checkpointer::Checkpointer;
use super::csi::CsiDriver;
use super::options::{Prepared, StartOptions};
use super::run::Daemon;
use crate::agent::Agent;
use crate::attachments::{Attachment, log_failed};
use crate::checkpoint::{Checkpoint, CheckpointState, HostDisk};
use crate::config::{ConfigSource, Persisted};
use crate::directory_locks::DirectoryLocks;
use crate::event::{DaemonEvent, DaemonEvents};
use crate::handover::{
    HandoverError, HandoverSource, OwnState, PendingSuccessor, PredecessorGuard, Recipient, Successor,
    SystemdFdStore,
};
use crate::metrics::Metrics;
use crate::unix_socket::ApiSocket;

/// How often, and how far apart, the sources are polled: for ten seconds, a third of what a predecessor waits.
const POLLS: u32 = 200;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The parts of a daemon once its VMs are attached.
pub(super) struct Started {
    pub(super) agent: Arc<Agent>,
    pub(super) checkpointer: Checkpointer,
    pub(super) api_socket: ApiSocket,
    pub(super) metrics: Option<Metrics>,
    pub(super) csi: Option<CsiDriver>,
    pub(super) predecessor: Option<PredecessorGuard>,
    pub(super) locks: DirectoryLocks,
}

/// Starts with what another process leaves. If this fails, that one continues to serve.
pub(super) fn take_over<S: ConfigSource>(
    options: &StartOptions,
    prepared: Prepared,
    source: &mut S,
    mut predecessor: HandoverSource,
    events: &DaemonEvents,
) -> Result<Started> {
    let mut locks = prepared.locks;
    let died = matches!(predecessor, HandoverSource::Died(_));
    // Nobody answers meanwhile, so whoever asks waits until this process does.
    let vacant = died.then(|| ApiSocket::bind(&options.directories.api_socket(), options.api_mode));
    let vacant = vacant.transpose()?;
    let checkpoint = prepared.checkpoint.unwrap_or_else(|| options.load_checkpoint());
    let state_dir = Some(&*options.directories.state);
    let agent = Arc::new(Agent::start_with_store(options.data_plane(true), state_dir, prepared.store)?);
    // A predecessor that serves goes on if this process cannot serve all of it. One that died does not.
    let configured = source.restore(checkpoint.state(), &agent, !died)?;
    let mut csi = CsiDriver::open(options, &agent, configured, events)?;
    let attachments = agent.attachments();

    // Everything possible is done before the predecessor stops: from then until this process serves, no process does.
    let CheckpointState { vms, served, .. } = checkpoint.restorable();
    let failed = attachments.register_expected(options.vms.attachments().collect(), vms, served)?;
    let lost = options.vms.refuse_failed(failed)?;
    if let HandoverSource::Serves(_) = predecessor {
        await_sources(&agent);
    }
    let state = predecessor.receive()?;
    // The predecessor tested its sources until now.
    agent.server().reload_source_health();
    let connections: usize = state.vms.iter().map(|vm| vm.connections.len()).sum();
    let OwnState { api, registration, driver, locks: received, served } = state.own;
    attachments.restore_connections(state.vms, served)?;
    let predecessor = predecessor.commit()?;
    attachments.resume_serving()?;
    locks.adopt(received);
    if died {
        tracing::info!(connections, "continued the connections of the worker that died");
    } else {
        let pause = Duration::from_nanos(dataplane::now().since(state.stopped));
        tracing::info!(connections, ?pause, "took over");
    }
    agent.discard_unclaimed();

    let is_pod = |id: &str| attachments.table().get(id).is_some_and(Attachment::is_pod);
    let (of_pods, of_host): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(id, _)| is_pod(id));
    log_failed(of_pods, "with each configuration, until its pod ends");
    log_failed(of_host, S::RETRY);
    let api_socket = match vacant {
        Some(bound) => bound,
        None => ApiSocket::resume(&options.directories.api_socket(), api, options.api_mode)?,
    };
    if let Some(csi) = &mut csi {
        csi.attach_missing();
        csi.resume(driver, registration)?;
    }
    let metrics = options.metrics.map(|address| Metrics::inherit(address, Arc::clone(&agent))).transpose()?;
    let checkpointer = checkpoint.into_checkpointer(&agent)?;
    Ok(Started { agent, checkpointer, api_socket, metrics, csi, predecessor: Some(predecessor), locks })
}

/// Waits until no pool is empty because its sources are in their start-up tests, which may take seconds. Until then the
/// predecessor serves, from sources that have passed theirs. The wait ends after ten seconds at the latest.
fn await_sources(agent: &Agent) {
    for _ in 0..POLLS {
        if agent.server().sources().pools.iter().all(|pool| pool.serving != Serving::Starting) {
            return;
        }
        thread::park_timeout(POLL_INTERVAL);
    }
    tracing::warn!(
        "taking over while sources are in their start-up tests; their pools serve nothing until these pass"
    );
}

impl<S: ConfigSource> Daemon<S> {
    /// Hands over to another process. If that does not take over, this daemon continues to serve.
    pub(super) fn hand_over(
        &mut self,
        successor: Successor,
        events: &Receiver<DaemonEvent>,
    ) -> Option<PendingSuccessor> {
        self.transfer(successor, events)
    }

    /// Has the service manager store everything for the next process. If it does not, returns `false`.
    pub(super) fn store(&mut self, events: &Receiver<DaemonEvent>) -> bool {
        SystemdFdStore::here().and_then(|store| self.transfer(store, events)).is_some()
    }

    /// Tells the previous process that this one serves.
    pub(super) fn release_predecessor(&mut self) {
        if let Some(predecessor) = self.predecessor.take() {
            PredecessorGuard::release(predecessor);
        }
    }

    fn transfer<R: Recipient>(&mut self, recipient: R, events: &Receiver<DaemonEvent>) -> Option<R::Receipt> {
        self.source.disconnect();
        self.defer(events);
        let own = self.own_state();
        let Self { agent, source, checkpointer, state_dir, .. } = self;
        let receipt = send(agent, &source.persisted(), checkpointer, state_dir, own, recipient);
        if receipt.is_none() {
            self.save();
            if let Err(error) = self.source.connect(&self.agent, &self.events) {
                tracing::error!(%error, "cannot resume the subscription to the controller");
            }
        }
        receipt
    }

    /// Defers the pending events until the hand-over has failed. What a successor reads of them from disk is saved now.
    fn defer(&mut self, events: &Receiver<DaemonEvent>) {
        for event in events.try_iter() {
            if let DaemonEvent::Config(event) = &event {
                self.source.record(event);
            }
            self.deferred.push_back(event);
        }
    }

    fn own_state(&self) -> io::Result<OwnState> {
        let (api, locks) = (Some(self.api.socket()?), self.locks.share()?);
        let mut own = OwnState { api, locks, ..OwnState::default() };
        if let Some(csi) = &self.csi {
            csi.share_sockets(&mut own)?;
        }
        Ok(own)
    }
}

/// Sends all that the agent has, once the checkpoint is on disk. If the recipient does not accept it, the agent and the
/// checkpointer continue.
fn send<R: Recipient>(
    agent: &Agent,
    config: &Persisted,
    checkpointer: &mut Option<Checkpointer>,
    state_dir: &Path,
    own: io::Result<OwnState>,
    recipient: R,
) -> Option<R::Receipt> {
    // From the checkpoint to the end of the transfer no VM is attached, moved or detached.
    let mut changes = agent.attachments().lock();
    let unwritten = match checkpointer.take() {
        Some(mut checkpointer) => {
            checkpointer.save_final(agent, config.clone());
            // On disk before the successor reads it.
            checkpointer.stop().map(|failure| failure.message)
        }
        None => Some("changes are no longer saved: restart this daemon".to_owned()),
    };
    let sent = match unwritten {
        None => {
            let own = own.map_err(HandoverError::Sockets);
            own.and_then(|own| send_vms(agent, recipient, own))
        }
        Some(reason) => {
            // An older checkpoint lacks the VMs attached since: they would lose their sockets.
            recipient.refuse(&reason);
            Err(HandoverError::Unwritten(reason))
        }
    };
    let error = match sent {
        Ok(receipt) => {
            changes.set_handed_over();
            return Some(receipt);
        }
        Err(error) => error,
    };
    log_failure(error);
    let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
    match Checkpointer::start(checkpoint, found.state, agent) {
        Ok(started) => *checkpointer = Some(started),
        Err(error) => tracing::error!(%error, "changes are no longer saved"),
    }
    None
}

/// Has the data plane stop and sends its VMs beside `own`, or has it resume.
fn send_vms<R: Recipient>(agent: &Agent, to: R, mut own: OwnState) -> Result<R::Receipt, HandoverError> {
    to.offer()?;
    // The recipient has prepared for a while, and the checkpoint is from before that.
    own.served = agent.served().ok();
    let before = agent.attachments().table().served_before().vms.clone();
    let (result, received) = channel();
    let send = move |mut vms: Vec<VmState<BorrowedFd<'_>>>| {
        for vm in &mut vms {
            let before = before.get(&vm.id).copied().unwrap_or_default().bytes;
            vm.bytes = vm.bytes.map(|bytes| bytes.saturating_add(before));
        }
        let sent = to.send(&vms, &own);
        let outcome = if sent.is_ok() { HandoverOutcome::Transferred } else { HandoverOutcome::Resumed };
        // The receiver lives until the data plane has called this.
        let _ = result.send(sent);
        outcome
    };
    // A data plane that stops never calls it.
    let _ = agent.server().hand_over(send);
    received.try_recv().unwrap_or(Err(HandoverError::Stopping))
}

fn log_failure(error: HandoverError) {
    let (reason, by_configuration) = (error.reason(), matches!(error, HandoverError::FdStoreFull(_)));
    let error = format!("{:#}", anyhow::Error::from(error));
    if by_configuration {
        // The unit file decides whether sockets are stored.
        tracing::warn!(reason, error, "not handed over; connections close when this daemon exits");
    } else {
        tracing::error!(reason, error, "not handed over; this daemon continues to serve");
    }
}
