//! What lies on disk.

use super::facts::Facts;
use super::finding::{Finding, Verdict, all};

/// The checkpoint, and the manifests where some were named.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings =
        all("checkpoint", "what was accepted last can be read", Verdict::Warning, facts.notes.clone());
    if let Some((objects, refused)) = &facts.manifests {
        let right = format!("all {objects} objects can be served");
        findings.extend(all("manifests", &right, Verdict::Wrong, refused.clone()));
    }
    findings
}
