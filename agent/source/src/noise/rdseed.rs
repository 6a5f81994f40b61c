//! The processor's instruction RDSEED.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::event::PollFlags;

use super::provenance::{Provenance, SourceIdentity};
use super::{Noise, OpenError};

/// Tries before the processor counts as dry; Intel's guide says ten, with a pause between.
const TRIES: usize = 10;
const WORD: usize = size_of::<u64>();

/// Executes the instruction once; `None` when the carry flag was 0.
type Instruction = fn() -> Option<u64>;

#[derive(Debug)]
pub(super) struct Rdseed {
    instruction: Instruction,
}

/// Broken processors return zero (AMD-SB-7055) or all ones with the carry flag set.
#[derive(Debug, thiserror::Error)]
#[error("RDSEED returned a word of equal bits")]
struct EqualBits;

impl Rdseed {
    pub(super) fn open() -> Result<Self, OpenError> {
        let instruction = x86::find().ok_or(OpenError::NoInstruction { instruction: "RDSEED" })?;
        Ok(Self { instruction })
    }

    /// Always 64 bits: the shorter forms are the broken ones. `None` if the processor is dry, as it often is where other
    /// processes use it: on one shared Zen 5, 19 of 20 times.
    fn word(&self) -> Result<Option<u64>, EqualBits> {
        let once = || {
            let word = (self.instruction)();
            if word.is_none() {
                std::hint::spin_loop();
            }
            word
        };
        match std::iter::repeat_with(once).take(TRIES).flatten().next() {
            Some(0 | u64::MAX) => Err(EqualBits),
            word => Ok(word),
        }
    }
}

impl Noise for Rdseed {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        for place in space.chunks_exact_mut(WORD) {
            let Some(word) = self.word().map_err(io::Error::other)? else { break };
            place.copy_from_slice(&word.to_ne_bytes());
            filled += WORD;
        }
        if filled == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(filled) }
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        None
    }

    fn provenance(&self) -> Arc<Provenance> {
        Arc::new(Provenance::of(SourceIdentity::Processor))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Instruction;

    pub(super) fn find() -> Option<Instruction> {
        is_x86_feature_detected!("rdseed").then_some(execute as Instruction)
    }

    /// Private to this module and returned by [`find`] alone, so never called where it does not exist.
    #[expect(unsafe_code, reason = "an instruction that not every processor has")]
    fn execute() -> Option<u64> {
        let mut word = 0;
        // SAFETY: needs RDSEED, which `find` saw in CPUID before it returned this function. It writes
        // nothing but the word.
        let carry = unsafe { core::arch::x86_64::_rdseed64_step(&mut word) };
        (carry == 1).then_some(word)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    pub(super) fn find() -> Option<super::Instruction> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static ANSWERS: RefCell<Vec<Option<u64>>> = const { RefCell::new(vec![]) };
    }

    /// A processor that returns these results, last first, and then nothing.
    fn answering(answers: impl IntoIterator<Item = Option<u64>>) -> Rdseed {
        ANSWERS.with_borrow_mut(|list| *list = answers.into_iter().collect());
        Rdseed { instruction: || ANSWERS.with_borrow_mut(Vec::pop).flatten() }
    }

    fn read(mut source: Rdseed, space: &mut [u8]) -> Result<usize, String> {
        source.read(space).map_err(|error| error.to_string())
    }

    #[test]
    fn a_word_may_take_ten_tries_and_not_eleven() {
        let after = |misses| std::iter::once(Some(77)).chain(std::iter::repeat_n(None, misses));
        let mut space = [0; WORD];
        assert_eq!(read(answering(after(9)), &mut space), Ok(WORD));
        assert_eq!(u64::from_ne_bytes(space), 77);
        let dry = answering(after(10)).read(&mut space).unwrap_err();
        assert_eq!(dry.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_processor_that_runs_dry_returns_the_words_before() {
        assert_eq!(read(answering([Some(1), Some(2)]), &mut [0; 64]), Ok(16));
    }

    #[test]
    fn words_of_equal_bits_are_a_failure() {
        for word in [0, u64::MAX] {
            let read = read(answering([Some(word), Some(5)]), &mut [0; 64]);
            assert_eq!(read.unwrap_err(), "RDSEED returned a word of equal bits");
        }
    }

    #[test]
    fn a_real_processor_returns_words_or_has_no_such_instruction() {
        let Ok(mut source) = Rdseed::open() else {
            println!("NOT RUN: this processor has no RDSEED");
            return;
        };
        let mut space = [0; 1024];
        let mut reads = std::iter::repeat_with(|| source.read(&mut space)).take(10_000);
        let Some(count) = reads.find_map(Result::ok) else { panic!("it stays dry") };
        assert!(count >= WORD);
        assert!(space[..count].chunks(WORD).any(|word| word != [0; WORD]));
    }
}
