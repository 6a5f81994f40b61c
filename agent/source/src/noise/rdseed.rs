//! The processor's noise source.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;

use super::{Noise, OpenSource};

/// Times to ask before the processor counts as dry; Intel's guide says ten, with a pause between.
const TRIES: usize = 10;
const WORD: usize = size_of::<u64>();

/// How the instruction is asked once: a word, or nothing when the carry flag was 0.
type Ask = fn() -> Option<u64>;

#[derive(Debug)]
pub(super) struct Rdseed {
    ask: Ask,
}

/// Broken processors gave zero (AMD-SB-7055) or all ones, and said that all was well.
#[derive(Debug, thiserror::Error)]
#[error("RDSEED gave a word of equal bits")]
struct EqualBits;

impl Rdseed {
    pub(super) fn open() -> Result<Self, OpenSource> {
        let ask = instruction::find().ok_or(OpenSource::NoInstruction { instruction: "RDSEED" })?;
        Ok(Self { ask })
    }

    /// Only ever 64 bits: the shorter forms are the ones that were broken. Nothing if the processor is dry, which is
    /// its usual state where others ask too: on one shared Zen 5, 19 of 20 times.
    fn word(&self) -> Result<Option<u64>, EqualBits> {
        let once = || {
            let word = (self.ask)();
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
}

#[cfg(target_arch = "x86_64")]
mod instruction {
    use super::Ask;

    pub(super) fn find() -> Option<Ask> {
        is_x86_feature_detected!("rdseed").then_some(ask as Ask)
    }

    /// Private to this module and given away by [`find`] alone, so never called where it does not exist.
    #[expect(unsafe_code, reason = "an instruction that not every processor has")]
    fn ask() -> Option<u64> {
        let mut word = 0;
        // SAFETY: needs RDSEED, which `find` saw in CPUID before anybody could get hold of this function. It
        // writes nothing but the word it is given.
        let carry = unsafe { core::arch::x86_64::_rdseed64_step(&mut word) };
        (carry == 1).then_some(word)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod instruction {
    pub(super) fn find() -> Option<super::Ask> {
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

    /// A processor that gives these answers, last first, and then nothing.
    fn answering(answers: impl IntoIterator<Item = Option<u64>>) -> Rdseed {
        ANSWERS.with_borrow_mut(|list| *list = answers.into_iter().collect());
        Rdseed { ask: || ANSWERS.with_borrow_mut(Vec::pop).flatten() }
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
    fn a_processor_that_runs_dry_gives_what_it_gave() {
        assert_eq!(read(answering([Some(1), Some(2)]), &mut [0; 64]), Ok(16));
    }

    #[test]
    fn words_of_equal_bits_are_a_failure() {
        for word in [0, u64::MAX] {
            let read = read(answering([Some(word), Some(5)]), &mut [0; 64]);
            assert_eq!(read.unwrap_err(), "RDSEED gave a word of equal bits");
        }
    }

    #[test]
    fn a_real_processor_gives_words_or_says_that_it_has_no_such_instruction() {
        let Ok(mut source) = Rdseed::open() else {
            println!("NOT RUN: this processor has no RDSEED");
            return;
        };
        let mut space = [0; 1024];
        let mut reads = std::iter::repeat_with(|| source.read(&mut space)).take(10_000);
        let Some(count) = reads.find_map(Result::ok) else { panic!("it is dry for good") };
        assert!(count >= WORD);
        assert!(space[..count].chunks(WORD).any(|word| word != [0; WORD]));
    }
}
