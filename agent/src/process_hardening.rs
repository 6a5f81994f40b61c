//! What a crash leaves behind.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Has this process leave no core, whatever becomes of it. The states of generators are secrets, and not all of them are
/// in memory that a dump leaves out.
pub fn disable_core_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash may leave a core with secrets in it");
    }
}
