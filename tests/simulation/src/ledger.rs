//! Every random byte that anybody got: none twice, and none of a stuck source.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::violation::Check;

/// Bytes that are told apart as a whole. Of good sources, 64 bits come twice in no life that anybody simulates.
///
/// Every window is looked up and every eighth is kept, so of bytes that come twice at most fourteen in a row stay
/// unseen.
const WINDOW: usize = 8;

/// What a stuck source gives, for ever.
pub(crate) const STUCK: u8 = 7;
/// So many of them in a row passed no test: the cutoff is below, also where two rests of it meet.
const RUN: usize = 16;

/// All bytes, by eights of them that came in one piece to one client.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    seen: HashMap<u64, (usize, u64), BuildHasherDefault<Plain>>,
    pub(crate) bytes: u64,
}

/// What one client has got, as far as its last bytes matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    tail: Vec<u8>,
    /// Of the stuck source's, the last that came.
    stuck: usize,
    pub(crate) bytes: u64,
}

impl Account {
    /// What comes next does not follow what came.
    pub(crate) fn cut(&mut self) {
        self.tail.clear();
    }
}

impl Ledger {
    /// A client got these.
    pub(crate) fn note(&mut self, client: usize, account: &mut Account, bytes: &[u8]) -> Result<(), Check> {
        for byte in bytes {
            account.stuck = if *byte == STUCK { account.stuck + 1 } else { 0 };
            if account.stuck == RUN {
                let at = account.bytes;
                return Err(("P4", format!("client {client} got {RUN} bytes of a stuck source at {at}")));
            }
        }
        let begin = account.bytes - account.tail.len() as u64;
        account.tail.extend(bytes);
        account.bytes += bytes.len() as u64;
        self.bytes += bytes.len() as u64;
        for (window, at) in account.tail.windows(WINDOW).zip(begin..) {
            let word = u64::from_le_bytes(window.try_into().expect("a window's length"));
            // A biased source that was not found out yet gives words of zeros: they are the same without being so.
            if window.windows(4).any(|four| four.iter().all(|byte| *byte == four[0])) {
                continue;
            }
            if let Some((other, there)) = self.seen.get(&word) {
                let twice = format!("client {client} got at {at} what client {other} got at {there}");
                return Err(("P4", twice));
            }
            if at.is_multiple_of(WINDOW as u64) {
                self.seen.insert(word, (client, at));
            }
        }
        // The last of them begin windows that are not whole yet.
        let keep = account.tail.len().saturating_sub(WINDOW - 1);
        account.tail.drain(..keep);
        Ok(())
    }
}

/// Random bytes need no mixing.
#[derive(Debug, Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("its keys are words");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_bytes_that_come_twice_are_found_however_they_are_cut() {
        let (mut ledger, mut one, mut other) = (Ledger::default(), Account::default(), Account::default());
        let bytes: Vec<u8> = (0..100_u32).map(|at| (at * 37 % 251).to_le_bytes()[0]).collect();
        bytes.chunks(3).for_each(|piece| ledger.note(0, &mut one, piece).unwrap());
        ledger.note(1, &mut other, &bytes[33..47]).unwrap();
        let (promise, what) = ledger.note(1, &mut other, &bytes[47..48]).unwrap_err();
        assert_eq!((promise, what.as_str()), ("P4", "client 1 got at 7 what client 0 got at 40"));
    }

    #[test]
    fn bytes_of_a_stuck_source_are_found() {
        let (mut ledger, mut account) = (Ledger::default(), Account::default());
        ledger.note(0, &mut account, &[STUCK; RUN - 1]).unwrap();
        ledger.note(0, &mut account, &[STUCK]).unwrap_err();
    }
}
