//! A running daemon: its event loop and its end.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::checkpointer::Checkpointer;
use super::csi::CsiDriver;
use super::run_dir::{RunDirOptions, RunDirWatcher};
use crate::agent::Agent;
use crate::api::LocalApi;
use crate::config::ConfigSource;
use crate::directory_locks::DirectoryLocks;
use crate::event::{DaemonEvent, DaemonEvents};
use crate::handover::{HandoverListener, PendingSuccessor, PredecessorGuard, SuccessorWait};
use crate::metrics::Metrics;
use crate::sd_notify::notify_ready;
use crate::supervisor::Worker;

/// How long pending requests are served after a signal.
const DRAIN: Duration = Duration::from_secs(1);

/// A running daemon.
pub(crate) struct Daemon<S> {
    pub(super) agent: Arc<Agent>,
    pub(super) source: S,
    pub(super) state_dir: PathBuf,
    /// `None` while another process takes over, and if the checkpoint could not be opened again after that failed.
    pub(super) checkpointer: Option<Checkpointer>,
    pub(super) api: LocalApi,
    pub(super) metrics: Option<Metrics>,
    pub(super) csi: Option<CsiDriver>,
    pub(super) events: DaemonEvents,
    /// Events that were received while another process was to take over.
    pub(super) deferred: VecDeque<DaemonEvent>,
    /// The predecessor, until it is notified that this process serves.
    pub(super) predecessor: Option<PredecessorGuard>,
    pub(super) handover_listener: Option<HandoverListener>,
    pub(super) locks: DirectoryLocks,
    pub(super) run_dir: RunDirOptions,
    pub(super) run_dir_watcher: Option<RunDirWatcher>,
    /// Whether to notify systemd of the start and to store the sockets with it at the end.
    pub(super) uses_systemd: bool,
}

/// Why the event loop ended.
enum Exit {
    Signal(&'static str),
    HandedOver(PendingSuccessor),
}

impl<S: ConfigSource> Daemon<S> {
    /// Serves until a signal or a successor ends it.
    pub(super) fn serve(mut self, worker: &Worker, events: &Receiver<DaemonEvent>) -> Result<()> {
        self.locks.keep();
        let locks = self.locks.unsupervised().context("cannot share the locks with the supervisor")?;
        worker.serves(&self.agent, &locks);
        drop(locks);
        self.release_predecessor();
        if self.uses_systemd {
            notify_ready();
        }
        match self.run(events) {
            Exit::Signal(signal) if self.uses_systemd && self.store(events) => {
                // No successor may connect to a process without sockets.
                drop(self.handover_listener.take());
                self.leave();
                tracing::info!(signal, "stopped; the service manager keeps the sockets");
            }
            Exit::Signal(signal) => {
                tracing::info!(signal, "draining");
                self.stop();
                tracing::info!("stopped");
            }
            Exit::HandedOver(successor) => {
                let wait = SuccessorWait::begin().context("cannot wait for the successor")?;
                self.leave();
                ensure!(wait.until_serving(successor), "the process that took over died before it served");
                tracing::info!("handed over");
            }
        }
        Ok(())
    }

    fn run(&mut self, events: &Receiver<DaemonEvent>) -> Exit {
        loop {
            let event = self.deferred.pop_front().or_else(|| self.source.next(events));
            match event {
                Some(DaemonEvent::Config(event)) => {
                    if self.source.handle(event, &self.agent) {
                        self.config_changed();
                    }
                }
                Some(DaemonEvent::VmsChanged) => {
                    self.save();
                    self.source.vms_changed();
                }
                Some(DaemonEvent::HandOver(successor)) => {
                    if let Some(successor) = self.hand_over(successor, events) {
                        return Exit::HandedOver(successor);
                    }
                }
                Some(DaemonEvent::RunDirChanged) => self.repair_run_dir(),
                Some(DaemonEvent::Stop(signal)) => return Exit::Signal(signal),
                // The API holds a sender for as long as the daemon lives.
                None => return Exit::Signal("none"),
            }
        }
    }

    fn config_changed(&mut self) {
        if let Some(csi) = &self.csi {
            csi.configured();
        }
        // Without a configuration at the start, the VMs in the crash state have waited until now.
        self.agent.discard_unclaimed();
        self.save();
    }

    /// Saves what has changed in the checkpoint.
    pub(super) fn save(&mut self) {
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.save(&self.agent, self.source.persisted());
        }
    }

    /// Closes all connections but those of VMs, serves their pending requests, and removes the sockets.
    fn stop(mut self) {
        self.source.disconnect();
        drop(self.csi);
        self.api.stop();
        if let Some(metrics) = self.metrics {
            metrics.stop();
        }
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.save_final(&self.agent, self.source.persisted());
        }
        self.agent.drain(DRAIN);
        self.checkpointer.map(Checkpointer::stop);
    }

    /// Ends and leaves all sockets to another process.
    fn leave(self) {
        if let Some(listener) = self.handover_listener {
            HandoverListener::leave(listener);
        }
        if let Some(metrics) = self.metrics {
            metrics.stop();
        }
        if let Some(csi) = self.csi {
            csi.leave();
        }
        self.api.leave();
    }
}
