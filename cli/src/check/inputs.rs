//! What was looked at.

use crate::view::{Class, Pool, Source, Vm};

/// A host as it was found.
#[derive(Clone, Debug)]
pub(crate) struct CheckInputs {
    /// Where the daemon was asked.
    pub(crate) api: String,
    /// What is odd about the checkpoint.
    pub(crate) notes: Vec<String>,
    /// How many objects the manifests have, and what would be refused of them; `None` where none were given.
    pub(crate) manifests: Option<(usize, Vec<String>)>,
    /// The daemon's answers, or why there are none.
    pub(crate) running: Result<RunningDaemon, String>,
    /// Sockets that the daemon has and the host has not.
    pub(crate) missing: Vec<String>,
}

/// A daemon as it answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningDaemon {
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
    pub(crate) sources: Vec<Source>,
    pub(crate) vms: Vec<Vm>,
}
