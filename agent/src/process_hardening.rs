//! Protects the secrets in the memory of the process.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Disables core dumps. The states of generators are secrets, and not all of them are in memory that is excluded from
/// dumps.
pub(crate) fn disable_core_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "failed to disable core dumps: a core may contain secrets");
    }
}
