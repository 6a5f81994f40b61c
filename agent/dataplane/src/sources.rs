//! What the sources say, asked beside the loop.

use htb::Tick;
use source::PoolStatus;

use crate::clock;
use crate::handle::DataPlaneHandle;

/// All pools that draw from more than the kernel, and how their sources stand.
#[derive(Clone, Debug)]
pub struct SourcesSnapshot {
    /// When it was taken, on the clock of all instants in it.
    pub now: Tick,
    /// By name.
    pub pools: Vec<PoolStatus>,
}

impl DataPlaneHandle {
    /// How the sources stand. The loop is not asked.
    pub fn sources(&self) -> SourcesSnapshot {
        let pools = self.noise().status();
        SourcesSnapshot { now: clock::now(), pools }
    }

    /// This host was cloned, or brought back from a snapshot: voids every byte that was made before and not served, forgets
    /// the state of all generators, and runs all start-up tests. Connections stay and wait.
    pub fn restart_tests(&self) {
        self.noise().restart_tests();
        // If the loop has stopped, its bytes have gone with it.
        let _ = self.forget();
    }

    /// Tests all sources of this name anew, `NAME` or `POOL/NAME`: also those that failed for good. How many that
    /// were.
    pub fn retest(&self, name: &str) -> usize {
        let tested = self.noise().retest(name);
        tracing::info!(source = name, sources = tested, "tested anew");
        tested
    }
}
