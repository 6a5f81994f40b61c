//! The thread that watches and reads the manifests, so that nothing else waits for their file systems.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use api::manifest::Manifest;

use super::file_watcher::{FileWatcher, Unwatched};
use super::manifest_files::{Fingerprint, ManifestFiles};

/// The quiet period after which manifests are read, since editors save in several steps.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
/// The number of changes after which the manifests are read even without a quiet period.
const MAX_DEFERRED_CHANGES: usize = 1_000;
/// How often the manifests are looked at where their changes cannot be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What the thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Something may have changed.
    Changed,
    /// Read in any case.
    Reload,
    Stop,
}

/// What the thread reports.
pub(super) trait ReadEvents: Send + 'static {
    /// It begins to read the manifests again.
    fn reading(&self);
    /// The manifests can be taken from the [`ManifestReader`].
    fn read(&self);
}

/// The thread. It ends when this is dropped, unless a file system holds it.
#[derive(Debug)]
pub(super) struct ManifestReader {
    triggers: Sender<Trigger>,
    manifests: Receiver<Manifest>,
    at: Arc<Mutex<PathBuf>>,
}

impl ManifestReader {
    /// Starts the thread, which watches the files before it reads them, so that no change is missed.
    ///
    /// With `pause`, it does so after that time: the processors have something more urgent to do.
    pub(super) fn start(
        files: ManifestFiles,
        events: impl ReadEvents,
        pause: Option<Duration>,
    ) -> io::Result<Self> {
        let (triggers, received) = mpsc::channel();
        let (send, manifests) = mpsc::channel();
        let at = Arc::<Mutex<PathBuf>>::default();
        let thread =
            ReaderThread { files, at: Arc::clone(&at), triggers: triggers.clone(), received, send, pause };
        thread::Builder::new().name("manifests".to_owned()).spawn(move || thread.run(&events))?;
        Ok(Self { triggers, manifests, at })
    }

    /// Reads the manifests though nothing may have changed.
    pub(super) fn reload(&self) {
        let _ = self.triggers.send(Trigger::Reload);
    }

    /// Waits until the manifests are read. `None` if that takes longer.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Manifest> {
        self.manifests.recv_timeout(timeout).ok()
    }

    /// The manifests as they were read last, once.
    pub(super) fn take(&self) -> Option<Manifest> {
        self.manifests.try_iter().last()
    }

    /// The path that is being read, or was read last.
    pub(super) fn path(&self) -> PathBuf {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ManifestReader {
    fn drop(&mut self) {
        let _ = self.triggers.send(Trigger::Stop);
    }
}

struct ReaderThread {
    files: ManifestFiles,
    at: Arc<Mutex<PathBuf>>,
    triggers: Sender<Trigger>,
    received: Receiver<Trigger>,
    send: Sender<Manifest>,
    pause: Option<Duration>,
}

impl ReaderThread {
    fn run(self, events: &impl ReadEvents) {
        if let Some(pause) = self.pause {
            if let Err(RecvTimeoutError::Disconnected) | Ok(Trigger::Stop) = self.received.recv_timeout(pause)
            {
                return;
            }
            events.reading();
        }
        let triggers = self.triggers.clone();
        let mut watcher = FileWatcher::new(&self.files.paths(), move || {
            let _ = triggers.send(Trigger::Changed);
        });
        let mut problem = None;
        loop {
            // Looking for links may take as long as reading.
            self.set_path(self.files.paths().first().map_or(Path::new(""), PathBuf::as_path));
            let found = watcher.renew().err();
            log_watched(problem.as_ref(), found.as_ref());
            problem = found;
            let fingerprint = problem.as_ref().map(|_| self.files.fingerprint());
            if self.send.send(self.read()).is_err() {
                return;
            }
            events.read();
            if !self.wait(fingerprint.as_ref()) {
                return;
            }
            events.reading();
        }
    }

    fn read(&self) -> Manifest {
        self.files.read(|path| self.set_path(path))
    }

    fn set_path(&self, path: &Path) {
        path.clone_into(&mut self.at.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the manifests are to be read: until a change, or, where changes cannot be watched, until the files differ
    /// from `polled`. `false` at the end.
    fn wait(&self, polled: Option<&Fingerprint>) -> bool {
        loop {
            let trigger = match polled {
                Some(_) => self.received.recv_timeout(POLL_INTERVAL),
                None => self.received.recv().map_err(RecvTimeoutError::from),
            };
            match trigger {
                Err(RecvTimeoutError::Timeout) if polled != Some(&self.files.fingerprint()) => return true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) | Ok(Trigger::Stop) => return false,
                Ok(Trigger::Reload) => return true,
                Ok(Trigger::Changed) => return self.settle(),
            }
        }
    }

    /// Waits for a quiet period.
    fn settle(&self) -> bool {
        for _ in 0..MAX_DEFERRED_CHANGES {
            match self.received.recv_timeout(QUIET_PERIOD) {
                Ok(Trigger::Changed) => {}
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Trigger::Reload) | Err(RecvTimeoutError::Timeout) => return true,
            }
        }
        true
    }
}

/// Logs once that changes cannot be watched, and once that they are again.
fn log_watched(before: Option<&Unwatched>, now: Option<&Unwatched>) {
    let error = |unwatched: Option<&Unwatched>| match unwatched {
        Some(Unwatched::Limited(error)) => Some(error.clone()),
        Some(Unwatched::Absent) | None => None,
    };
    match (error(before), error(now)) {
        (None, Some(error)) => tracing::warn!(
            error,
            interval = ?POLL_INTERVAL,
            "cannot watch the manifests for changes; looking at them from time to time"
        ),
        (Some(_), None) => tracing::info!("watching the manifests for changes again"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    /// Nothing here takes so long.
    const PATIENCE: Duration = Duration::from_secs(20);
    const POOL: &str =
        "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: a}, spec: {rate: 1Ki/s}}";

    struct Sent(Sender<&'static str>);

    impl ReadEvents for Sent {
        fn reading(&self) {
            let _ = self.0.send("reading");
        }

        fn read(&self) {
            let _ = self.0.send("read");
        }
    }

    #[test]
    fn manifests_are_read_at_the_start_after_a_change_and_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pools.yaml");
        fs::write(&file, POOL).unwrap();
        let (send, events) = mpsc::channel();
        let reader =
            ManifestReader::start(ManifestFiles::new(std::slice::from_ref(&file), None), Sent(send), None)
                .unwrap();
        let objects = |manifest: Manifest| manifest.objects.len();
        assert_eq!(reader.wait(PATIENCE).map(objects), Some(1));
        assert_eq!(events.recv_timeout(PATIENCE), Ok("read"));
        fs::write(&file, format!("{POOL}\n---\n{}", POOL.replace("name: a", "name: b"))).unwrap();
        assert_eq!(events.recv_timeout(PATIENCE), Ok("reading"));
        assert_eq!(reader.wait(PATIENCE).map(objects), Some(2));
        assert_eq!(events.recv_timeout(PATIENCE), Ok("read"));
        reader.reload();
        assert_eq!(reader.wait(PATIENCE).map(objects), Some(2));
        assert_eq!(reader.path(), file);
    }
}
