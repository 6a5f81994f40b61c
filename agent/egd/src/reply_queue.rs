//! What has been decided and not been written yet: literal bytes, and counts of random ones.

use crate::ring::Ring;
use crate::snapshot::{InvalidSnapshot, QueuedReply};

/// A stretch of the reply stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// These very bytes; never empty.
    Literal(&'a [u8]),
    /// This many random bytes, from the pool, at the moment of the write; never zero.
    Random(u64),
}

/// Longest literal of one segment: two bytes of header make it sixteen. A process id takes up to eleven.
const LITERAL: usize = 14;

/// Segments kept. The longest answer takes two.
const SEGMENTS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum ReplySegment {
    Literal { len: u8, bytes: [u8; LITERAL] },
    Random(u64),
}

impl Default for ReplySegment {
    fn default() -> Self {
        Self::Random(0)
    }
}

impl ReplySegment {
    fn len(&self) -> u64 {
        match self {
            Self::Literal { len, .. } => u64::from(*len),
            Self::Random(count) => *count,
        }
    }
}

/// The pending replies, in order, of bounded number.
#[derive(Clone, Debug)]
pub(crate) struct ReplyQueue {
    segments: Ring<ReplySegment, SEGMENTS>,
    /// How much of a literal at the front has been written; a random count at the front just shrinks.
    sent: u8,
}

impl ReplyQueue {
    pub(crate) fn new() -> Self {
        Self { segments: Ring::new(), sent: 0 }
    }

    /// Is there room for one more answer of any kind? Grants need none: they join the count at the back, or
    /// take the slot that this keeps free for them.
    pub(crate) fn has_room(&self) -> bool {
        self.segments.len() + 2 <= SEGMENTS
    }

    pub(crate) fn random(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(ReplySegment::Random(last)) = self.segments.back_mut() {
            *last = last.saturating_add(count);
        } else {
            let pushed = self.segments.push(ReplySegment::Random(count));
            debug_assert!(pushed.is_ok(), "a literal never takes the last slot");
        }
    }

    pub(crate) fn literal(&mut self, literal: &[u8]) {
        if let Some(ReplySegment::Literal { len, bytes }) = self.segments.back_mut() {
            let start = usize::from(*len);
            if let Some(space) = bytes.get_mut(start..start + literal.len()) {
                space.copy_from_slice(literal);
                *len += short(literal.len());
                return;
            }
        }
        let mut bytes = [0; LITERAL];
        bytes[..literal.len()].copy_from_slice(literal);
        let pushed = self.segments.push(ReplySegment::Literal { len: short(literal.len()), bytes });
        debug_assert!(pushed.is_ok(), "answers are made only while there is room");
    }

    /// Puts back what another process had not written.
    pub(crate) fn restore(&mut self, reply: &QueuedReply) -> Result<(), InvalidSnapshot> {
        let segment = match reply {
            QueuedReply::Random(count @ 1..) => ReplySegment::Random(*count),
            QueuedReply::Literal(literal) if (1..=LITERAL).contains(&literal.len()) => {
                let mut bytes = [0; LITERAL];
                bytes[..literal.len()].copy_from_slice(literal);
                ReplySegment::Literal { len: short(literal.len()), bytes }
            }
            QueuedReply::Random(_) | QueuedReply::Literal(_) => return Err(InvalidSnapshot),
        };
        self.segments.push(segment).map_err(|_| InvalidSnapshot)
    }

    /// Forgets `bytes` from the front, across segments.
    pub(crate) fn written(&mut self, bytes: usize) {
        // usize has at most 64 bits on every target we build for, so nothing is lost.
        let mut rest = bytes as u64;
        while let Some(front) = self.segments.front_mut() {
            let left = front.len() - u64::from(self.sent);
            if rest < left {
                match front {
                    // `rest` is below `left`, which is at most LITERAL.
                    ReplySegment::Literal { .. } => self.sent += short(usize::try_from(rest).unwrap_or(0)),
                    ReplySegment::Random(count) => *count -= rest,
                }
                return;
            }
            rest -= left;
            self.sent = 0;
            self.segments.pop();
        }
        debug_assert!(rest == 0, "more was written than was pending");
    }

    pub(crate) fn iter(&self) -> Outputs<'_> {
        Outputs { pending: self, position: 0 }
    }
}

/// The pending stretches of a session, in the order in which they must be written.
#[derive(Clone, Debug)]
pub struct Outputs<'a> {
    pending: &'a ReplyQueue,
    position: usize,
}

impl<'a> Iterator for Outputs<'a> {
    type Item = Output<'a>;

    fn next(&mut self) -> Option<Output<'a>> {
        let segment = self.pending.segments.get(self.position)?;
        let sent = if self.position == 0 { usize::from(self.pending.sent) } else { 0 };
        self.position += 1;
        Some(match segment {
            ReplySegment::Literal { len, bytes } => Output::Literal(&bytes[sent..usize::from(*len)]),
            ReplySegment::Random(count) => Output::Random(*count),
        })
    }
}

/// A literal's length: LITERAL is far below 256.
fn short(len: usize) -> u8 {
    u8::try_from(len).expect("literals are at most LITERAL bytes")
}
