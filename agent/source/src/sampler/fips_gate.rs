//! Holds samples back until the block tests have passed their whole block.

use zeroize::Zeroize;

use super::stats::SourceStats;
use crate::buffer::Buffer;
use crate::fips::{BLOCK, BlockTests, FailurePolicy, PolicyDecision};
use crate::memory::MapError;

pub(super) struct FipsGate {
    /// The source's first bytes, which are only compared with.
    reference: [u8; 4],
    tests: Option<BlockTests>,
    policy: FailurePolicy,
    /// The part of the block that was read.
    block: Buffer,
    /// Bytes of the reference that were read.
    referenced: usize,
}

/// Too many blocks of the source failed.
pub(super) struct Disabled;

impl FipsGate {
    pub(super) fn new() -> Result<Self, MapError> {
        let block = Buffer::with_capacity(BLOCK)?;
        Ok(Self { reference: [0; 4], tests: None, policy: FailurePolicy::default(), block, referenced: 0 })
    }

    /// Takes samples in, and calls `pass` with every block that passes.
    pub(super) fn push(
        &mut self,
        samples: &[u8],
        stats: &mut SourceStats,
        mut pass: impl FnMut(&[u8]),
    ) -> Result<(), Disabled> {
        let mut samples = self.take_reference(samples);
        while !samples.is_empty() {
            samples = self.fill_block(samples);
            let (Some(tests), Ok(block)) = (&mut self.tests, self.block.chunk().try_into()) else { break };
            let findings = tests.test(block);
            stats.record_block(findings);
            match self.policy.record(findings.passed()) {
                PolicyDecision::Use => pass(block),
                // Each source has its own thread, so there is nothing to yield to.
                PolicyDecision::Retry | PolicyDecision::Yield => {}
                PolicyDecision::Disable => return Err(Disabled),
            }
            self.block.consume(BLOCK);
        }
        Ok(())
    }

    /// Takes the reference from the first samples; returns the others.
    fn take_reference<'a>(&mut self, samples: &'a [u8]) -> &'a [u8] {
        if self.tests.is_some() {
            return samples;
        }
        let place = &mut self.reference[self.referenced..];
        let (now, rest) = samples.split_at(samples.len().min(place.len()));
        place[..now.len()].copy_from_slice(now);
        self.referenced += now.len();
        if self.referenced == self.reference.len() {
            self.tests = Some(BlockTests::new(self.reference));
        }
        rest
    }

    /// Fills the block; returns what is left.
    fn fill_block<'a>(&mut self, samples: &'a [u8]) -> &'a [u8] {
        let (now, rest) = samples.split_at(samples.len().min(BLOCK - self.block.level()));
        let filled = self.block.fill_with(|space| {
            space[..now.len()].copy_from_slice(now);
            Ok(now.len())
        });
        debug_assert_eq!(filled.ok(), Some(now.len()), "a block has room for a block");
        rest
    }

    /// Drops the untested part of a block: the next samples do not directly follow it.
    pub(super) fn discard(&mut self) {
        self.block.consume(self.block.level());
        self.reference.zeroize();
        (self.tests, self.referenced) = (None, 0);
    }

    /// Counts failures from where another gate of the same source is.
    pub(super) fn continue_from(&mut self, other: &Self) {
        self.policy = other.policy.clone();
    }

    /// Forgets the source's failures too.
    pub(super) fn reset(&mut self) {
        self.discard();
        self.policy = FailurePolicy::default();
    }
}
