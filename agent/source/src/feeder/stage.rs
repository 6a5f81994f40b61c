//! Where samples wait until the block tests have judged all of a block.

use zeroize::{Zeroize, Zeroizing};

use super::Tally;
use crate::fips::{BLOCK, BlockTests, Policy, Ruling};

/// A block in the making.
pub(super) struct Stage {
    /// The source's first bytes, which are for comparison only.
    reference: [u8; 4],
    tests: Option<BlockTests>,
    policy: Policy,
    block: Box<Zeroizing<[u8; BLOCK]>>,
    filled: usize,
}

/// The source failed too many blocks.
pub(super) struct Disabled;

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            reference: [0; 4],
            tests: None,
            policy: Policy::default(),
            block: Box::new(Zeroizing::new([0; BLOCK])),
            filled: 0,
        }
    }

    /// Takes samples in, and gives every block that passes to `pass`.
    pub(super) fn put(
        &mut self,
        mut samples: &[u8],
        tally: &mut Tally,
        mut pass: impl FnMut(&[u8]),
    ) -> Result<(), Disabled> {
        while let Some(rest) = self.put_some(samples) {
            samples = rest;
            if self.filled < BLOCK {
                continue;
            }
            let Some(tests) = &mut self.tests else { continue };
            let findings = tests.judge(&self.block);
            tally.judged(findings);
            match self.policy.rule(findings.passed()) {
                Ruling::Use => pass(&self.block[..]),
                // Whose turn it is next is not this source's affair.
                Ruling::Retry | Ruling::Yield => {}
                Ruling::Disable => return Err(Disabled),
            }
            self.clear();
        }
        Ok(())
    }

    /// Fills first the reference and then the block; gives what is left, nothing if there was nothing.
    fn put_some<'a>(&mut self, samples: &'a [u8]) -> Option<&'a [u8]> {
        if samples.is_empty() {
            return None;
        }
        let place = match self.tests {
            None => &mut self.reference[self.filled..],
            Some(_) => &mut self.block[self.filled..],
        };
        let (now, rest) = samples.split_at(samples.len().min(place.len()));
        place[..now.len()].copy_from_slice(now);
        self.filled += now.len();
        if self.tests.is_none() && self.filled == self.reference.len() {
            self.tests = Some(BlockTests::new(self.reference));
            self.reference.zeroize();
            self.filled = 0;
        }
        Some(rest)
    }

    fn clear(&mut self) {
        self.block.zeroize();
        self.filled = 0;
    }

    /// Drops what was not judged; the samples that come next do not follow those that came last.
    pub(super) fn forget(&mut self) {
        self.clear();
        self.reference.zeroize();
        self.tests = None;
    }
}
