//! `plan`: what other manifests would change on this host.

use std::path::{Path, PathBuf};

use agent::{HOST, ManifestSet};
use anyhow::{Result, bail};

use super::{files, readonly_checkpoint};
use crate::args::{Format, Global, PlanArgs};
use crate::diff::{self, ManifestDiff};
use crate::output;

/// Prints what would change; it is a failure if anything would be refused.
pub(crate) fn plan(global: &Global, args: &PlanArgs) -> Result<()> {
    let before = before(args)?;
    let mut after = before.clone();
    let verdict = after.read(files::read(&args.files));
    let mut edit = ManifestDiff::of([(HOST, &**before.config(), &**after.config())]);
    edit.refused = verdict.refused;
    edit.noted = verdict.noted;
    match global.output {
        Format::Table => output::print(&diff::table(&edit))?,
        Format::Json => output::print_json(&edit)?,
    }
    match edit.refused.len() {
        0 => Ok(()),
        1 => bail!("one thing would be refused"),
        several => bail!("{several} things would be refused"),
    }
}

/// What is in force: by the manifests of `--from`, else by the daemon's checkpoint, else nothing.
fn before(args: &PlanArgs) -> Result<ManifestSet> {
    let mut book = ManifestSet::new(args.namespaces.iter().cloned());
    if !args.from.is_empty() {
        let verdict = book.read(files::read(&args.from));
        if !verdict.refused.is_empty() {
            bail!("the manifests of --from are not in force themselves:\n  {}", verdict.refused.join("\n  "));
        }
        return Ok(book);
    }
    let found = readonly_checkpoint::look(&args.state_dir);
    if found.state.accepted.pools.is_empty() {
        let reason = found
            .warnings
            .first()
            .map(|note| format!(" ({})", readonly_checkpoint::sentence(note)))
            .unwrap_or_default();
        let dir = args.state_dir.display();
        eprintln!("entropool: no daemon has accepted anything in {dir}{reason}: compared with nothing");
    }
    let namespaces = found.state.vms.values().map(|vm| vm.namespace.clone());
    Ok(ManifestSet::new(namespaces.chain(args.namespaces.iter().cloned())).remember(found.state.accepted))
}

/// What `check` looks at on disk: what is odd about the checkpoint, and, where manifests are named, how many objects
/// they have and what would be refused of them.
pub(crate) fn looked_at(state_dir: &Path, files: &[PathBuf]) -> (Vec<String>, Option<(usize, Vec<String>)>) {
    let found = readonly_checkpoint::look(state_dir);
    let notes = found.warnings.iter().map(readonly_checkpoint::sentence).collect();
    let manifests = (!files.is_empty()).then(|| {
        let manifest = files::read(files);
        let objects = manifest.objects.len();
        let namespaces = found.state.vms.values().map(|vm| vm.namespace.clone());
        let mut book = ManifestSet::new(namespaces).remember(found.state.accepted.clone());
        (objects, book.read(manifest).refused)
    });
    (notes, manifests)
}
