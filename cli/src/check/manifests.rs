//! What lies on disk.

use super::inputs::CheckInputs;
use super::result::{CheckResult, Level, all};

/// The checkpoint, and the manifests where some were named.
pub(super) fn judge(facts: &CheckInputs) -> Vec<CheckResult> {
    let mut findings =
        all("checkpoint", "what was accepted last can be read", Level::Warning, facts.notes.clone());
    if let Some((objects, refused)) = &facts.manifests {
        let right = format!("all {objects} objects can be served");
        findings.extend(all("manifests", &right, Level::Wrong, refused.clone()));
    }
    findings
}
