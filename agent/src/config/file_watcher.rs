//! Notices changes of manifests with inotify, without polling.
//!
//! Directories are watched, not files: an editor that renames a new file over the old one leaves a watch on the file itself
//! behind. So does a symbolic link that is swapped, wherever it is on the way to the manifests: the kubelet swaps `..data`
//! in a mounted `ConfigMap`, git-sync a link above its work tree, a deployment `current -> releases/7`. The directory of
//! each such link is watched.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::manifest_files::is_manifest;

/// Symbolic links on the way to one file: the kernel follows no more.
const MAX_LINKS: usize = 40;

/// Calls a function when a file may have changed.
type OnChange = Arc<dyn Fn() + Send + Sync>;

/// Why a change may go unnoticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unwatched {
    /// A root does not exist, which is a problem of the manifests as well.
    Absent,
    /// The kernel has no more instances or watches.
    Limited(String),
}

/// Watches the directories of some manifests.
pub(super) struct FileWatcher {
    roots: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
    /// The names of the roots, and of the symbolic links on the way to them.
    names: Arc<Mutex<BTreeSet<OsString>>>,
    changed: OnChange,
    /// `None` until the kernel has had an instance for it.
    watcher: Option<RecommendedWatcher>,
}

impl FileWatcher {
    /// Calls `changed`, on a separate thread, whenever something may have changed at or below `roots`. Begins with the first
    /// [`renew`](Self::renew).
    pub(super) fn new(roots: &[PathBuf], changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            roots: roots.to_vec(),
            watched: BTreeSet::new(),
            names: Arc::default(),
            changed: Arc::new(changed),
            watcher: None,
        }
    }

    /// Watches where the manifests are now: a swapped symlink leads to another directory than before. Fails if a change
    /// may go unnoticed: the kernel's instances and watches are limited.
    pub(super) fn renew(&mut self) -> Result<(), Unwatched> {
        if self.roots.is_empty() {
            return Ok(());
        }
        let links: Vec<PathBuf> = self.roots.iter().flat_map(|root| links(root)).collect();
        let names = self.roots.iter().chain(&links).filter_map(|path| path.file_name().map(OsStr::to_owned));
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
        let mut wanted: BTreeSet<PathBuf> = self.roots.iter().flat_map(|root| directories(root)).collect();
        wanted.extend(links.iter().filter_map(|link| parent(link)));
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(
                create(&self.names, &self.changed).map_err(|error| Unwatched::Limited(error.to_string()))?,
            ),
        };
        for gone in self.watched.difference(&wanted) {
            // The kernel has removed the watch already if the directory was deleted.
            let _ = watcher.unwatch(gone);
        }
        // A directory that was deleted and created again has no watch, though its name is in `watched`.
        let mut failed = None;
        for dir in &wanted {
            if let Err(error) = watcher.watch(dir, RecursiveMode::NonRecursive) {
                failed = Some(format!("{}: {error}", dir.display()));
            }
        }
        self.watched = wanted;
        match failed {
            Some(failed) => Err(Unwatched::Limited(failed)),
            None if self.roots.iter().all(|root| root.exists()) => Ok(()),
            None => Err(Unwatched::Absent),
        }
    }
}

fn create(names: &Arc<Mutex<BTreeSet<OsString>>>, changed: &OnChange) -> notify::Result<RecommendedWatcher> {
    let (names, changed) = (Arc::clone(names), Arc::clone(changed));
    notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) if !concerns(&event, &names.lock().unwrap_or_else(PoisonError::into_inner)) => {}
        // An overflow or an error may hide a change.
        _ => changed(),
    })
}

/// The symbolic links on the way to `path`, each without a link above it.
fn links(path: &Path) -> Vec<PathBuf> {
    let owned = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
    let Ok(path) = absolute(path) else { return Vec::new() };
    let (mut at, mut rest, mut found) = (PathBuf::new(), VecDeque::from(owned(&path)), Vec::new());
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::CurDir) | None => {}
            // An absolute one replaces what is before it.
            Some(_) => at.push(&part),
        }
        if let Ok(target) = fs::read_link(&at)
            && found.len() < MAX_LINKS
        {
            found.push(at.clone());
            at.pop();
            owned(&target).into_iter().rev().for_each(|part| rest.push_front(part));
        }
    }
    found
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

/// Whether an event may have changed the contents of the roots, which have these `names`.
fn concerns(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let changes = match event.kind {
        // Reading the manifests opens and closes files, too.
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| matters(path, names)))
}

/// The names that matter: a root's own, that of a link to it, a manifest's, and the hidden links of a mounted `ConfigMap`.
fn matters(path: &Path, names: &BTreeSet<OsString>) -> bool {
    let name = path.file_name().unwrap_or_default();
    names.contains(name) || is_manifest(path) || is_swapped(name)
}

/// `..data` is the symlink that the kubelet swaps.
fn is_swapped(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    fn watch(roots: &[PathBuf]) -> (FileWatcher, Receiver<()>) {
        let (send, receive) = channel();
        let mut watch = FileWatcher::new(roots, move || send.send(()).unwrap_or_default());
        watch.renew().unwrap();
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
    fn a_link_that_is_swapped_anywhere_above_the_manifests_is_noticed_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for release in ["1", "2", "3"] {
            fs::create_dir_all(at("releases").join(release).join("etc/pools")).unwrap();
            fs::write(at("releases").join(release).join("etc/pools/pools.yaml"), release).unwrap();
        }
        symlink("releases/1", at("current")).unwrap();
        fs::create_dir(at("deep")).unwrap();
        symlink("../current", at("deep/link")).unwrap();
        for root in [at("current/etc/pools"), at("deep/link/etc/pools/pools.yaml")] {
            let (mut watch, changes) = watch(&[root]);
            for release in ["2", "3", "1"] {
                symlink(format!("releases/{release}"), at("new")).unwrap();
                fs::rename(at("new"), at("current")).unwrap();
                expect_change(&changes);
                watch.renew().unwrap();
            }
        }
    }

    #[test]
    fn a_chain_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        assert_eq!(links(&at("a")).len(), MAX_LINKS);
        symlink(at("c"), at("d")).unwrap();
        assert_eq!(links(&at("d/x/../y")), [at("d")]);
        assert_eq!(links(&at("x")), <[PathBuf; 0]>::default());
    }

    #[test]
    fn a_root_that_is_absent_is_not_watched_completely() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = FileWatcher::new(&[dir.path().join("later.yaml")], || {});
        assert_eq!(watcher.renew(), Err(Unwatched::Absent));
        fs::write(dir.path().join("later.yaml"), "").unwrap();
        watcher.renew().unwrap();
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
