//! Notices that files of the run directory are removed under a running daemon, and makes them anew.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use dataplane::Address;
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::run::Daemon;
use crate::api::LocalApi;
use crate::config::ConfigSource;
use crate::directories::Directories;
use crate::event::DaemonEvents;
use crate::handover::{HandoverListener, PodGeneration};
use crate::unix_socket::ApiSocket;

/// From the first removal to the repair: who removes a directory removes its files one by one.
const SETTLE: Duration = Duration::from_millis(200);

/// What the files of the run directory are made from.
#[derive(Clone, Debug)]
pub(super) struct RunDirOptions {
    pub(super) directories: Directories,
    pub(super) api_mode: u32,
    pub(super) api_address: Option<SocketAddr>,
    pub(super) pod_generation: Option<PodGeneration>,
}

impl RunDirOptions {
    /// Listens for successors in the run directory.
    pub(super) fn listen_for_successors(&self, events: &DaemonEvents) -> Option<HandoverListener> {
        let events = events.clone();
        HandoverListener::in_run_dir(&self.directories.run, self.pod_generation, move |successor| {
            events.hand_over(successor);
        })
    }
}

/// Watches the run directory. Without it, as where inotify is exhausted, a removal is noticed by nobody.
#[derive(Debug)]
pub(super) struct RunDirWatcher {
    path: PathBuf,
    watcher: RecommendedWatcher,
    /// The daemon was told of a change and has not looked yet.
    told: Arc<AtomicBool>,
}

impl RunDirWatcher {
    pub(super) fn start(path: &Path, events: &DaemonEvents) -> Option<Self> {
        let (told, events) = (Arc::<AtomicBool>::default(), events.clone());
        let pending = Arc::clone(&told);
        let on_event = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| removes(event.kind)) && !pending.swap(true, Ordering::AcqRel) {
                thread::park_timeout(SETTLE);
                events.run_dir_changed();
            }
        };
        let watcher = notify::recommended_watcher(on_event).inspect_err(log_unwatched).ok()?;
        let mut this = Self { path: path.to_owned(), watcher, told };
        this.watch();
        Some(this)
    }

    /// Watches the directory that is at the path now.
    fn watch(&mut self) {
        let _ = self.watcher.unwatch(&self.path);
        let _ = self.watcher.watch(&self.path, RecursiveMode::NonRecursive).inspect_err(log_unwatched);
    }
}

fn log_unwatched(error: &notify::Error) {
    tracing::info!(%error, "cannot watch the run directory; if its files are removed, nothing notices");
}

fn removes(kind: EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

impl<S: ConfigSource> Daemon<S> {
    /// Makes those files of the run directory anew that are gone.
    pub(super) fn repair_run_dir(&mut self) {
        if let Some(watcher) = &self.run_dir_watcher {
            watcher.told.store(false, Ordering::Release);
        }
        let no_api = !self.api.is_there();
        let no_handover = self.handover_listener.as_ref().is_some_and(|listener| !listener.is_there());
        if !no_api && !no_handover {
            return;
        }
        let run_dir = self.run_dir.directories.run.display();
        tracing::error!(
            %run_dir,
            vms = self.vms_without_socket(),
            reason = "RunDirRemoved",
            "files of the run directory were removed; making api.sock and handover.sock anew. A VM without a socket \
             keeps its connections: detach it and attach it again"
        );
        let (created, problems) = self.run_dir.directories.prepare();
        created.keep();
        for problem in problems {
            tracing::error!(problem, "failed to make a directory anew");
        }
        self.locks.renew(&self.run_dir.directories);
        if no_handover {
            self.handover_listener = self.run_dir.listen_for_successors(&self.events);
        }
        if no_api && let Err(error) = self.serve_api_anew() {
            tracing::error!(error = format!("{error:#}"), "failed to make api.sock anew");
        }
        if let Some(watcher) = &mut self.run_dir_watcher {
            watcher.watch();
        }
        tracing::info!(run_dir = %self.run_dir.directories.run.display(), "files of the run directory made anew");
    }

    fn serve_api_anew(&mut self) -> Result<()> {
        let RunDirOptions { directories, api_mode, api_address, .. } = &self.run_dir;
        let socket = ApiSocket::bind(&directories.api_socket(), *api_mode)?;
        let (agent, host) = (Arc::clone(&self.agent), Arc::new(self.events.clone()));
        let api = LocalApi::serve(socket, *api_address, agent, host)?;
        std::mem::replace(&mut self.api, api).leave();
        Ok(())
    }

    fn vms_without_socket(&self) -> usize {
        let Ok(snapshot) = self.agent.server().snapshot() else { return 0 };
        let vms = snapshot.pools.iter().flat_map(|pool| &pool.vms);
        let gone = |socket: &Option<Address>| matches!(socket, Some(Address::Unix(path)) if fs::symlink_metadata(path).is_err());
        vms.filter(|vm| gone(&vm.socket)).count()
    }
}
