//! The whole tree at one instant.

use super::{Class, Pool, Vm};

/// All pools, classes and VMs at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Nanoseconds on the daemon's clock.
    pub(crate) now: u64,
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
    pub(crate) vms: Vec<Vm>,
}
