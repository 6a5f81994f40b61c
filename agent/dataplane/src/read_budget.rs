//! What is read from one VM in a batch, over all its connections.

/// Bytes read from one VM in a batch: some two thousand requests. A flood waits its turn with the rest of what it
/// sent, on however many connections; two hundred floods hold up an honest VM by about a millisecond.
pub(crate) const PORTION: usize = 4096;

/// How much of its portion a VM has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadBudget {
    batch: u64,
    read: usize,
}

impl ReadBudget {
    /// What may still be read in this batch.
    pub(crate) fn left(&mut self, batch: u64) -> usize {
        if self.batch != batch {
            *self = Self { batch, read: 0 };
        }
        PORTION.saturating_sub(self.read)
    }

    /// So much was read.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.read = self.read.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_has_one_portion_a_batch_and_a_new_one_in_the_next() {
        let mut portion = ReadBudget::default();
        assert_eq!(portion.left(1), PORTION);
        portion.spend(PORTION - 1);
        assert_eq!(portion.left(1), 1);
        portion.spend(1);
        assert_eq!((portion.left(1), portion.left(2)), (0, PORTION));
    }
}
