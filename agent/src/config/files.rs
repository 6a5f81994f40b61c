//! Configuration from manifest files: reads them, plans as the controller does in a cluster, and applies the result.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::manifest::Manifest;
use delivery::{NodeConfig, PoolRefusal};

use super::config_diff::config_changes;
use super::config_source::{ConfigSource, Persisted};
use super::error::{ApplyConfigError, chain};
use super::manifest_files::ManifestFiles;
use super::manifest_reader::{ManifestReader, ReadEvents};
use super::manifests::{ManifestSet, ReadOutcome};
use super::orphans::Orphans;
use super::pool_by_pool::PoolByPool;
use crate::agent::Agent;
use crate::checkpoint::{CheckpointState, LastGood};
use crate::controller_client::log_refused;
use crate::event::{ConfigEvent, DaemonEvent, DaemonEvents};

/// How long a start waits for the manifests where a checkpoint is enough to serve from, and where it is not.
const READ_WITH_FALLBACK: Duration = Duration::from_secs(1);
const READ_WITHOUT: Duration = Duration::from_secs(30);
/// When the manifests are read that nobody waits for.
const LATER: Duration = Duration::from_secs(1);
/// How long a later read may take before the log says so.
const SLOW: Duration = Duration::from_secs(2);

/// A host's configuration source.
pub(crate) struct Files {
    reader: ManifestReader,
    /// The configuration that is applied.
    manifests: ManifestSet,
    /// The configuration of the checkpoint: the fallback at the start.
    restored: ManifestSet,
    /// A controller's configuration in the same state directory. Not used here, only kept.
    last_good: Option<LastGood>,
    hurry: bool,
    /// The manifests are being read, and the log does not say yet that this takes long.
    reading: bool,
    /// Somebody asked for the manifests to be read.
    requested: bool,
}

impl ReadEvents for DaemonEvents {
    fn reading(&self) {
        self.manifests_reading();
    }

    fn read(&self) {
        self.manifests_read();
    }
}

impl Files {
    /// Watches and reads the manifests. In a `hurry`, as VMs wait, so it does later, if a checkpoint is enough to serve from.
    pub(crate) fn watch(files: ManifestFiles, events: &DaemonEvents, hurry: bool) -> Result<Self> {
        let reader = ManifestReader::start(files, events.clone(), hurry.then_some(LATER))
            .context("cannot start the thread that reads the manifests")?;
        Ok(Self {
            reader,
            manifests: ManifestSet::default(),
            restored: ManifestSet::default(),
            last_good: None,
            hurry,
            reading: false,
            requested: false,
        })
    }

    /// Takes the manifests as an edit of those that the checkpoint holds. Where their file system does not answer in time,
    /// those of the checkpoint stay in effect until it does. So they do in a hurry.
    pub(crate) fn read(&mut self, restored: ManifestSet) -> ReadOutcome {
        self.manifests = restored.clone();
        self.restored = restored;
        let timeout = match self.has_fallback() {
            true if self.hurry => return ReadOutcome::default(),
            true => READ_WITH_FALLBACK,
            false => {
                if self.hurry {
                    // Without its pause.
                    self.reader.reload();
                }
                READ_WITHOUT
            }
        };
        match self.reader.wait(timeout) {
            Some(manifest) => self.accept(manifest),
            None if self.has_fallback() => {
                self.log_slow();
                ReadOutcome::default()
            }
            None => {
                let path = self.reader.path();
                let problem = format!(
                    "{}: it cannot be read within {timeout:?}: check its file system",
                    path.display()
                );
                ReadOutcome { refused: vec![problem], ..ReadOutcome::default() }
            }
        }
    }

    fn accept(&mut self, manifest: Manifest) -> ReadOutcome {
        let outcome = self.manifests.read(manifest);
        for note in &outcome.noted {
            tracing::warn!(note, "manifest warning");
        }
        outcome
    }

    fn log_slow(&self) {
        tracing::warn!(
            path = %self.reader.path().display(),
            reason = "ManifestsSlow",
            "reading the manifests takes long; the last accepted configuration stays in effect"
        );
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

    /// Takes what was read. What is rejected leaves the accepted configuration in place.
    fn update(&mut self, agent: &Agent) -> bool {
        self.reading = false;
        let Some(manifest) = self.reader.take() else { return false };
        let before = self.manifests.clone();
        self.accept(manifest).log_refused();
        if std::mem::take(&mut self.requested) {
            tracing::info!("manifests reloaded");
        }
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
        if !self.reading {
            return events.recv().ok();
        }
        match events.recv_timeout(SLOW) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => Some(DaemonEvent::Config(ConfigEvent::ManifestsSlow)),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn handle(&mut self, event: ConfigEvent, agent: &Agent) -> bool {
        match event {
            ConfigEvent::ManifestsReading => {
                self.reading = true;
                false
            }
            ConfigEvent::ManifestsSlow => {
                self.reading = false;
                self.log_slow();
                false
            }
            ConfigEvent::ManifestsRead => self.update(agent),
            ConfigEvent::ReloadRequested => {
                self.requested = true;
                self.reader.reload();
                false
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
