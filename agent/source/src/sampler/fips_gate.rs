//! Where samples wait until the block tests have judged all of a block.

use zeroize::Zeroize;

use super::SourceStats;
use crate::buffer::Buffer;
use crate::fips::{BLOCK, BlockTests, FailurePolicy, PolicyDecision};
use crate::memory::MapMemory;

/// A block in the making.
pub(super) struct FipsGate {
    /// The source's first bytes, which are for comparison only.
    reference: [u8; 4],
    tests: Option<BlockTests>,
    policy: FailurePolicy,
    /// As much of a block as there is.
    block: Buffer,
    /// Bytes of the reference that came.
    compared: usize,
}

/// The source failed too many blocks.
pub(super) struct Disabled;

impl FipsGate {
    pub(super) fn new() -> Result<Self, MapMemory> {
        let block = Buffer::with_capacity(BLOCK)?;
        Ok(Self { reference: [0; 4], tests: None, policy: FailurePolicy::default(), block, compared: 0 })
    }

    /// Takes samples in, and gives every block that passes to `pass`.
    pub(super) fn put(
        &mut self,
        samples: &[u8],
        stats: &mut SourceStats,
        mut pass: impl FnMut(&[u8]),
    ) -> Result<(), Disabled> {
        let mut samples = self.compare(samples);
        while !samples.is_empty() {
            samples = self.gather(samples);
            let (Some(tests), Ok(block)) = (&mut self.tests, self.block.chunk().try_into()) else { break };
            let findings = tests.judge(block);
            stats.judged(findings);
            match self.policy.record(findings.passed()) {
                PolicyDecision::Use => pass(block),
                // Whose turn it is next is not this source's affair.
                PolicyDecision::Retry | PolicyDecision::Yield => {}
                PolicyDecision::Disable => return Err(Disabled),
            }
            self.block.consume(BLOCK);
        }
        Ok(())
    }

    /// The first samples are the reference; gives the others.
    fn compare<'a>(&mut self, samples: &'a [u8]) -> &'a [u8] {
        if self.tests.is_some() {
            return samples;
        }
        let place = &mut self.reference[self.compared..];
        let (now, rest) = samples.split_at(samples.len().min(place.len()));
        place[..now.len()].copy_from_slice(now);
        self.compared += now.len();
        if self.compared == self.reference.len() {
            self.tests = Some(BlockTests::new(self.reference));
        }
        rest
    }

    /// Fills the block; gives what is left.
    fn gather<'a>(&mut self, samples: &'a [u8]) -> &'a [u8] {
        let (now, rest) = samples.split_at(samples.len().min(BLOCK - self.block.level()));
        let filled = self.block.fill_with(|space| {
            space[..now.len()].copy_from_slice(now);
            Ok(now.len())
        });
        debug_assert_eq!(filled.ok(), Some(now.len()), "a block has room for a block");
        rest
    }

    /// Drops what was not judged; the samples that come next do not follow those that came last.
    pub(super) fn forget(&mut self) {
        self.block.consume(self.block.level());
        self.reference.zeroize();
        (self.tests, self.compared) = (None, 0);
    }

    /// Forgets the source's failures too.
    pub(super) fn retest(&mut self) {
        self.forget();
        self.policy = FailurePolicy::default();
    }
}
