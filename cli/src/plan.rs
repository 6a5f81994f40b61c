//! `plan`: what other manifests would change on this host.

use std::path::{Path, PathBuf};

use agent::{HOST, ManifestSet, ReadOutcome, inspect_checkpoint, read_manifests};
use anyhow::{Result, bail};

use crate::args::{Format, Global, PlanArgs};
use crate::diff::{self, ManifestDiff};
use crate::output;

/// Prints what would change, and fails if anything would be refused.
pub(crate) fn plan(global: &Global, args: &PlanArgs) -> Result<()> {
    let before = before(args)?;
    let mut after = before.clone();
    let outcome = after.read(read_manifests(&args.files));
    let mut edit = ManifestDiff::of([(HOST, &**before.config(), &**after.config())]);
    edit.refused = outcome.refused;
    edit.noted = outcome.noted;
    edit.partly_accepted = outcome.partly_accepted.iter().map(ToString::to_string).collect();
    match global.output {
        Format::Table => output::print(&diff::table(&edit))?,
        Format::Json => output::print_json(&edit)?,
    }
    match edit.refused.len() {
        0 => Ok(()),
        1 => bail!("one edit would be refused"),
        several => bail!("{several} edits would be refused"),
    }
}

/// What to compare with: the manifests of `--from`, or what the daemon's checkpoint holds.
fn before(args: &PlanArgs) -> Result<ManifestSet> {
    let mut manifests = ManifestSet::new(args.namespaces.iter().cloned());
    if !args.from.is_empty() {
        let outcome = manifests.read(read_manifests(&args.from));
        if !outcome.refused.is_empty() {
            bail!("the manifests of --from would be refused themselves:\n  {}", outcome.refused.join("\n  "));
        }
        return Ok(manifests);
    }
    let found = inspect_checkpoint(&args.state_dir);
    if found.state.accepted.pools.is_empty() {
        let reason = found.warnings.first().map(|warning| format!(" ({warning})")).unwrap_or_default();
        let dir = args.state_dir.display();
        eprintln!("entropool: no daemon has accepted anything in {dir}{reason}: compared with nothing");
    }
    let namespaces = found.state.vms.values().map(|vm| vm.namespace.clone());
    Ok(ManifestSet::new(namespaces.chain(args.namespaces.iter().cloned())).restore(found.state.accepted))
}

/// The manifests that `check` is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct InspectedManifests {
    pub(crate) objects: usize,
    /// What would be refused.
    pub(crate) refused: Vec<String>,
    /// Warnings.
    pub(crate) noted: Vec<String>,
}

/// What `check` reads from disk: the warnings of the checkpoint, and the manifests if some are named.
pub(crate) fn inspect(state_dir: &Path, files: &[PathBuf]) -> (Vec<String>, Option<InspectedManifests>) {
    let found = inspect_checkpoint(state_dir);
    let manifests = (!files.is_empty()).then(|| {
        let manifest = read_manifests(files);
        let objects = manifest.objects.len();
        let namespaces = found.state.vms.values().map(|vm| vm.namespace.clone());
        let mut manifests = ManifestSet::new(namespaces).restore(found.state.accepted.clone());
        let ReadOutcome { refused, noted, .. } = manifests.read(manifest);
        InspectedManifests { objects, refused, noted }
    });
    (found.warnings, manifests)
}
