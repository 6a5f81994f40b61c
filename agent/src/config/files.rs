//! Configuration from manifest files: reads them, plans as the controller does in a cluster, and applies the result.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::manifest::{self, Manifest, Problem};
use delivery::{NodeConfig, PoolRefusal};

use super::config_diff::config_changes;
use super::config_source::{ConfigSource, Persisted};
use super::error::{ApplyConfigError, chain};
use super::file_watcher::{FileWatcher, is_manifest};
use super::manifests::{ManifestSet, ReadOutcome};
use super::orphans::Orphans;
use super::pool_by_pool::PoolByPool;
use crate::agent::Agent;
use crate::checkpoint::{CheckpointState, LastGood};
use crate::controller_client::log_refused;
use crate::event::{ConfigEvent, DaemonEvent, DaemonEvents};

/// Without manifests: one pool that serves kernel bytes and guarantees no rate.
const DEFAULT: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\nspec: {}\n";
/// The quiet period after which manifests are read, since editors save in several steps.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
/// The number of events after which the manifests are read even without a quiet period.
const MAX_DEFERRED_EVENTS: usize = 1_000;

/// A host's configuration source.
pub(crate) struct Files {
    roots: Vec<PathBuf>,
    watcher: FileWatcher,
    /// The configuration that is applied.
    manifests: ManifestSet,
    /// The configuration of the checkpoint: the fallback at the start.
    restored: ManifestSet,
    /// A controller's configuration in the same state directory. Not used here, only kept.
    last_good: Option<LastGood>,
    /// If manifests have changed, the number of events after which they are read at the latest.
    pending: Option<usize>,
}

impl Files {
    /// Watches the manifests below `roots` before they are read, so that no change is missed.
    pub(crate) fn watch(roots: &[PathBuf], events: &DaemonEvents) -> Result<Self> {
        let events = events.clone();
        let watcher = FileWatcher::new(roots, move || events.manifests_changed())?;
        Ok(Self {
            roots: roots.to_vec(),
            watcher,
            manifests: ManifestSet::default(),
            restored: ManifestSet::default(),
            last_good: None,
            pending: None,
        })
    }

    /// Reads the manifests as an edit of those that the checkpoint holds.
    pub(crate) fn read(&mut self, restored: ManifestSet) -> ReadOutcome {
        self.manifests = restored.clone();
        self.restored = restored;
        self.read_manifests_of_roots()
    }

    fn read_manifests_of_roots(&mut self) -> ReadOutcome {
        let outcome = self.manifests.read(read_manifests(&self.roots));
        for note in &outcome.noted {
            tracing::warn!(note, "manifest warning");
        }
        outcome
    }

    pub(crate) fn config(&self) -> &NodeConfig {
        self.manifests.config()
    }

    /// Whether the checkpoint alone is enough to serve from.
    pub(crate) fn has_fallback(&self) -> bool {
        self.restored.has_pools()
    }

    /// Whether there is anything to serve.
    pub(crate) fn has_pools(&self) -> bool {
        self.manifests.has_pools()
    }

    /// Reads the manifests again. What is rejected leaves the accepted configuration in place.
    fn reload(&mut self, agent: &Agent) -> bool {
        if let Err(error) = self.watcher.renew() {
            tracing::error!(error = format!("{error:#}"), "changes of the manifests may go unnoticed");
        }
        let before = self.manifests.clone();
        self.read_manifests_of_roots().log_refused();
        self.apply_change(before, agent)
    }

    /// A selector may match a namespace that had no VM so far.
    fn add_namespace(&mut self, namespace: &str, agent: &Agent) -> bool {
        let before = self.manifests.clone();
        self.manifests.add_namespace(namespace) && self.apply_change(before, agent)
    }

    /// Applies the manifests if they differ from those `before`, which an error restores.
    fn apply_change(&mut self, before: ManifestSet, agent: &Agent) -> bool {
        let changes = config_changes(before.config(), self.manifests.config());
        let refused = if changes.is_empty() { Ok(Vec::new()) } else { agent.apply(self.manifests.config()) };
        match refused {
            Ok(refused) => self.keep_refused(&before, &refused, agent),
            Err(error) => {
                log_not_applied(&error);
                self.manifests = before;
                return false;
            }
        }
        for change in config_changes(before.config(), self.manifests.config()) {
            let class = change.class.as_deref();
            tracing::info!(pool = change.pool, class, change = %change.what, "change in effect");
        }
        true
    }
}

impl Files {
    /// The pools that this host cannot serve stay as they were accepted `before`.
    fn keep_refused(&mut self, before: &ManifestSet, refused: &[PoolRefusal], agent: &Agent) {
        refused.iter().for_each(log_refused);
        if !refused.is_empty() {
            let is_refused = |pool: &str| refused.iter().any(|refused| refused.pool == pool);
            self.manifests.keep_pools_of(before, is_refused, agent.config());
        }
    }
}

impl ConfigSource for Files {
    const RETRY: &'static str = "at the next start, and `entropool detach` forgets it";

    fn restore(&mut self, state: &CheckpointState, agent: &Agent, _takes_over: bool) -> Result<bool> {
        self.last_good.clone_from(&state.last_good);
        // The manifests may have been edited since the checkpoint was saved, and VMs may be in classes removed by that.
        agent.restore_orphans(
            Orphans::of_checkpoint(state).unwrap_or_default().beside(self.restored.config()),
        );
        let (config, restored) = (NodeConfig::clone(self.manifests.config()), self.restored.clone());
        let refused = agent
            .apply_pools(PoolByPool::new(config, restored.config()))
            .context("the manifests are valid, but this host cannot serve them")?;
        if let Some(PoolRefusal { pool, refusal }) = refused.first()
            && agent.config().pools.is_empty()
        {
            bail!("the manifests are valid, but this host cannot serve pool {pool}: {}", refusal.message);
        }
        self.keep_refused(&restored, &refused, agent);
        Ok(true)
    }

    fn next(&mut self, events: &Receiver<DaemonEvent>) -> Option<DaemonEvent> {
        const SETTLED: DaemonEvent = DaemonEvent::Config(ConfigEvent::ManifestsSettled);
        match self.pending {
            None => events.recv().ok(),
            Some(0) => Some(SETTLED),
            Some(left) => {
                self.pending = Some(left - 1);
                Some(events.recv_timeout(QUIET_PERIOD).unwrap_or(SETTLED))
            }
        }
    }

    fn handle(&mut self, event: ConfigEvent, agent: &Agent) -> bool {
        match event {
            ConfigEvent::ManifestsChanged => {
                self.pending.get_or_insert(MAX_DEFERRED_EVENTS);
                false
            }
            ConfigEvent::ManifestsSettled => {
                self.pending = None;
                self.reload(agent)
            }
            ConfigEvent::NamespaceExpected { namespace, done } => {
                let changed = self.add_namespace(&namespace, agent);
                drop(done);
                changed
            }
            ConfigEvent::Applied(_) => false,
        }
    }

    fn persisted(&self) -> Persisted {
        Persisted { accepted: self.manifests.specs(), last_good: self.last_good.clone() }
    }
}

fn log_not_applied(error: &ApplyConfigError) {
    let (reason, error) = (error.reason(), chain(error));
    tracing::error!(reason, error, "configuration not applied; the last accepted one stays in effect");
}

/// Reads the manifests at or below `roots`; without any, one default pool.
pub fn read_manifests(roots: &[PathBuf]) -> Manifest {
    if roots.is_empty() {
        return manifest::parse("(built in)", DEFAULT);
    }
    manifest::merge(roots.iter().flat_map(|root| read_root(root)))
}

fn read_root(root: &Path) -> Vec<Manifest> {
    let files = if root.is_dir() { manifests_in(root) } else { Ok(vec![root.to_owned()]) };
    match files {
        Ok(files) if files.is_empty() => {
            vec![unreadable(root, "no file here ends in .yaml, .yml or .json".to_owned())]
        }
        Ok(files) => files.iter().map(|file| read_file(file)).collect(),
        Err(error) => vec![unreadable(root, format!("cannot read the directory: {error}"))],
    }
}

/// Sorted by name, so that problems are reported in the same order each time.
fn manifests_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .filter(|path| path.as_ref().map_or(true, |path| is_manifest(path) && !path.is_dir()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn read_file(file: &Path) -> Manifest {
    match fs::read(file) {
        Err(error) => unreadable(file, format!("cannot read the file: {error}")),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => manifest::parse(&file.to_string_lossy(), &text),
            Err(_) => unreadable(file, "the file is not UTF-8 text".to_owned()),
        },
    }
}

fn unreadable(path: &Path, message: String) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.problems.push(Problem::in_file(path.to_string_lossy(), message));
    manifest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_files_there_is_one_default_pool() {
        let manifest = read_manifests(&[]);
        assert_eq!(manifest.problems, []);
        assert_eq!(manifest.objects[0].object.title(), "EntropyPool default");
    }

    #[test]
    fn other_files_in_a_directory_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".b.yaml.swp", "..data", "b.yaml~", "notes.txt", ".hidden.yaml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("deeper.yaml")).unwrap();
        let files = manifests_in(dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn an_unreadable_file_is_a_problem_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.yaml"), b"\xff\xfe").unwrap();
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let roots = [dir.path().join("x.yaml"), dir.path().join("absent.yaml"), empty];
        let place = dir.path().to_str().unwrap();
        let problems: Vec<String> = read_manifests(&roots)
            .problems
            .iter()
            .map(|problem| problem.to_string().replace(place, "DIR"))
            .collect();
        insta::assert_snapshot!(problems.join("\n"));
    }
}
