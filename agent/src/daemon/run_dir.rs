//! Notices that files of the run directory are removed under a running daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::directories::Directories;
use crate::event::DaemonEvents;
use crate::handover::{HandoverListener, PodGeneration};

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

    /// The daemon is about to look.
    pub(super) fn acknowledge(&self) {
        self.told.store(false, Ordering::Release);
    }

    /// Watches the directory that is at the path now.
    pub(super) fn watch(&mut self) {
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
