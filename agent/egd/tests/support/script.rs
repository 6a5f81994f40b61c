//! A script of a few bytes that drives a session and its reference.

use egd::{Demand, Reply, Session};

use super::reference::{Piece, Reference, push_random};

/// Runs any bytes at all as a script; panics where the session differs from the reference. Each step is one
/// byte, its low two bits the action and its high six the size:
///
/// - 0, 1: the peer's next `size + 1` bytes arrive; they follow in the script;
/// - 2: the oldest request is answered, with `size` 63rds of what it demands;
/// - 3: the kernel accepts `size` 63rds of the pending replies.
///
/// At the end everything is answered and written, and nothing may be left.
pub(crate) fn fuzz_one(mut script: &[u8]) {
    let mut pair = Pair::default();
    while let Some((step, rest)) = script.split_first() {
        script = rest;
        let size = step >> 2;
        match step & 3 {
            2 => pair.answer(size),
            3 => pair.write(size),
            _ => {
                let (chunk, rest) = rest.split_at(rest.len().min(usize::from(size) + 1));
                script = rest;
                pair.receive(chunk);
            }
        }
        pair.compare();
    }
    pair.finish();
}

#[derive(Default)]
struct Pair {
    session: Session,
    reference: Reference,
}

impl Pair {
    fn receive(&mut self, chunk: &[u8]) {
        assert_eq!(self.session.receive(chunk), self.reference.receive(chunk));
    }

    fn answer(&mut self, size: u8) {
        let share = |of: u64| of * u64::from(size) / 63;
        match self.session.demand() {
            Demand::None => {}
            Demand::Blocking(owed) => {
                self.session.grant(share(owed));
                self.reference.grant(share(owed));
            }
            _ if self.session.backlog_full() => {}
            Demand::NonBlocking(requested) => {
                let bytes = u8::try_from(share(u64::from(requested))).expect("a share is below the whole");
                self.session.answer_non_blocking(bytes);
                self.reference.answer(&[bytes], u64::from(bytes));
            }
            Demand::Level => {
                let bytes = share(u64::from(u32::MAX / 4));
                let bits = u32::try_from((bytes * 8).min(u64::from(u32::MAX - 7))).expect("clamped");
                self.session.answer_level(bytes);
                self.reference.answer(&bits.to_be_bytes(), 0);
            }
            Demand::Pid => {
                let pid = u32::try_from(share(u64::from(u32::MAX))).expect("a share is below the whole");
                let digits = pid.to_string();
                let length = u8::try_from(digits.len()).expect("at most ten");
                self.session.answer_pid(pid);
                self.reference.answer(&[&[length], digits.as_bytes()].concat(), 0);
            }
        }
    }

    fn write(&mut self, size: u8) {
        let pending: u64 = self.session.replies().map(length).sum();
        let bytes = pending * u64::from(size) / 63;
        self.session.written(usize::try_from(bytes).expect("scripts are short"));
        self.reference.written(bytes);
    }

    fn compare(&self) {
        let Self { session, reference } = self;
        assert_eq!(session.demand(), reference.demand());
        assert_eq!(session.counters(), reference.counters);
        assert_eq!(session.only_blocking_reads(), reference.only_blocking_reads());
        if reference.protocol_error.is_none() {
            assert_eq!(session.partial_command(), reference.partial_command());
        }
        let mut pieces = Vec::new();
        for reply in session.replies() {
            assert_ne!(length(reply), 0, "an empty reply");
            match reply {
                Reply::Literal(bytes) => pieces.extend(bytes.iter().map(|byte| Piece::Byte(*byte))),
                Reply::Random(count) => push_random(&mut pieces, count),
            }
        }
        assert_eq!(pieces, reference.pieces);
    }

    fn finish(mut self) {
        while self.session.demand() != Demand::None {
            self.answer(63);
            self.compare();
            self.write(63);
            self.compare();
        }
        self.write(63);
        assert_eq!(self.session.next_reply(), None);
        assert_eq!(self.session.owed(), 0);
    }
}

fn length(reply: Reply<'_>) -> u64 {
    match reply {
        Reply::Literal(bytes) => bytes.len() as u64,
        Reply::Random(count) => count,
    }
}
