//! Notices changes of manifests with inotify, without polling.
//!
//! Directories are watched, not files: an editor that renames a new file over the old one, and a mounted `ConfigMap` that
//! swaps a symlink, leave a watch on the file itself behind.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// What a file in a directory of manifests must end in.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Watches the directories of some manifests.
pub(super) struct FileWatcher {
    roots: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
    watcher: RecommendedWatcher,
}

impl FileWatcher {
    /// Calls `changed`, on a separate thread, whenever something may have changed at or below `roots`.
    pub(super) fn new(roots: &[PathBuf], changed: impl Fn() + Send + 'static) -> Result<Self> {
        let relevant = roots.to_vec();
        let on_event = move |event: notify::Result<Event>| match event {
            Ok(event) if !concerns(&event, &relevant) => {}
            // An overflow or an error may hide a change.
            _ => changed(),
        };
        let watcher =
            notify::recommended_watcher(on_event).context("cannot watch for changes of the manifests")?;
        let mut watch = Self { roots: roots.to_vec(), watched: BTreeSet::new(), watcher };
        watch.renew()?;
        Ok(watch)
    }

    /// Watches where the manifests are now: a swapped symlink leads to another directory than before.
    pub(super) fn renew(&mut self) -> Result<()> {
        let wanted: BTreeSet<PathBuf> = self.roots.iter().flat_map(|root| directories(root)).collect();
        for gone in self.watched.difference(&wanted) {
            // The kernel has removed the watch already if the directory was deleted.
            let _ = self.watcher.unwatch(gone);
        }
        // A directory that was deleted and created again has no watch, though its name is in `watched`.
        for dir in &wanted {
            let watching = self.watcher.watch(dir, RecursiveMode::NonRecursive);
            watching.with_context(|| format!("cannot watch {} for changes", dir.display()))?;
        }
        self.watched = wanted;
        Ok(())
    }
}

/// The directories in which a change of `root` shows, including those that symlinks lead to.
fn directories(root: &Path) -> BTreeSet<PathBuf> {
    let mut files = vec![root.to_owned()];
    let mut found = BTreeSet::new();
    if root.is_dir() {
        found.insert(root.to_owned());
        let entries = root.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        files.extend(entries.filter(|path| is_manifest(path)));
    }
    for file in files {
        let real = file.canonicalize().ok();
        found.extend([Some(file), real].into_iter().flatten().filter_map(|file| parent(&file)));
    }
    found.retain(|dir| dir.is_dir());
    found
}

fn parent(file: &Path) -> Option<PathBuf> {
    match file.parent() {
        Some(parent) if parent == Path::new("") => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    }
}

/// Whether a file in a directory of manifests is one. Hidden files belong to an editor or to a mount.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !hidden && EXTENSIONS.contains(&extension)
}

/// Whether an event may have changed the contents of the roots.
fn concerns(event: &Event, roots: &[PathBuf]) -> bool {
    let changes = match event.kind {
        // Reading the manifests opens and closes files, too.
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| named(path, roots)))
}

/// The names that matter: a root's own, a manifest's, and the hidden links of a mounted `ConfigMap`.
fn named(path: &Path, roots: &[PathBuf]) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_root = roots.iter().any(|root| root == path || root.file_name() == Some(name));
    is_root || is_manifest(path) || is_swapped(name)
}

/// `..data` is the symlink that the kubelet swaps.
fn is_swapped(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    fn watch(roots: &[PathBuf]) -> (FileWatcher, Receiver<()>) {
        let (send, receive) = channel();
        let watch = FileWatcher::new(roots, move || send.send(()).unwrap_or_default()).unwrap();
        (watch, receive)
    }

    fn expect_change(changes: &Receiver<()>) {
        changes.recv_timeout(Duration::from_secs(10)).unwrap();
        while changes.recv_timeout(Duration::from_millis(50)).is_ok() {}
    }

    #[test]
    fn a_file_that_is_renamed_over_is_noticed_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pools.yaml");
        fs::write(&file, "1").unwrap();
        let (mut watch, changes) = watch(std::slice::from_ref(&file));
        for text in ["2", "3"] {
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &file).unwrap();
            expect_change(&changes);
            watch.renew().unwrap();
        }
        fs::write(&file, "4").unwrap();
        expect_change(&changes);
    }

    #[test]
    fn a_swapped_config_map_is_noticed_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("..1")).unwrap();
        fs::write(at("..1/pools.yaml"), "1").unwrap();
        symlink("..1", at("..data")).unwrap();
        symlink("..data/pools.yaml", at("pools.yaml")).unwrap();
        for root in [at("pools.yaml"), dir.path().to_owned()] {
            let (mut watch, changes) = watch(&[root]);
            for number in ["..2", "..3"] {
                let _ = fs::remove_dir_all(at(number));
                fs::create_dir(at(number)).unwrap();
                fs::write(at(number).join("pools.yaml"), number).unwrap();
                symlink(number, at("..tmp")).unwrap();
                fs::rename(at("..tmp"), at("..data")).unwrap();
                expect_change(&changes);
                watch.renew().unwrap();
            }
        }
    }

    #[test]
    fn reads_and_other_files_are_not_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pools.yaml");
        fs::write(&file, "1").unwrap();
        let (_watch, changes) = watch(std::slice::from_ref(&file));
        fs::read(&file).unwrap();
        fs::write(dir.path().join("other.txt"), "1").unwrap();
        fs::write(dir.path().join(".pools.yaml.swp"), "1").unwrap();
        changes.recv_timeout(Duration::from_millis(100)).unwrap_err();
    }
}
