//! The replies that are decided and not written yet: literal bytes, and counts of random ones.

use crate::ring::Ring;

/// A part of the reply stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// These bytes; never empty.
    Literal(&'a [u8]),
    /// This many random bytes, to be taken from the pool when they are written; never zero.
    Random(u64),
}

/// The longest literal of a segment: with its header, a segment has 16 bytes. A process id needs up to eleven.
const MAX_LITERAL: usize = 14;

/// The number of segments. The longest answer needs two.
const MAX_SEGMENTS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum ReplySegment {
    Literal { len: u8, bytes: [u8; MAX_LITERAL] },
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

/// The pending replies, in order.
#[derive(Clone, Debug)]
pub(crate) struct ReplyQueue {
    segments: Ring<ReplySegment, MAX_SEGMENTS>,
    /// How many bytes of a literal at the front are written. A random count at the front shrinks instead.
    sent: u8,
}

impl ReplyQueue {
    pub(crate) fn new() -> Self {
        Self { segments: Ring::new(), sent: 0 }
    }

    /// Whether there is room for another answer of any kind. Grants need none: they add to the count at the back, or
    /// use the segment that this reserves for them.
    pub(crate) fn has_room(&self) -> bool {
        self.segments.len() + 2 <= MAX_SEGMENTS
    }

    pub(crate) fn push_random(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(ReplySegment::Random(last)) = self.segments.back_mut() {
            *last = last.saturating_add(count);
        } else {
            let pushed = self.segments.push(ReplySegment::Random(count));
            debug_assert!(pushed.is_ok(), "a literal never uses the last segment");
        }
    }

    pub(crate) fn push_literal(&mut self, literal: &[u8]) {
        if let Some(ReplySegment::Literal { len, bytes }) = self.segments.back_mut() {
            let start = usize::from(*len);
            if let Some(space) = bytes.get_mut(start..start + literal.len()) {
                space.copy_from_slice(literal);
                *len += literal_len(literal.len());
                return;
            }
        }
        let mut bytes = [0; MAX_LITERAL];
        bytes[..literal.len()].copy_from_slice(literal);
        let pushed = self.segments.push(ReplySegment::Literal { len: literal_len(literal.len()), bytes });
        debug_assert!(pushed.is_ok(), "answers are made only while there is room");
    }

    /// Appends a reply from a snapshot; `None` if it is invalid.
    pub(crate) fn restore(&mut self, reply: Reply<'_>) -> Option<()> {
        let segment = match reply {
            Reply::Random(count @ 1..) => ReplySegment::Random(count),
            Reply::Literal(literal) if (1..=MAX_LITERAL).contains(&literal.len()) => {
                let mut bytes = [0; MAX_LITERAL];
                bytes[..literal.len()].copy_from_slice(literal);
                ReplySegment::Literal { len: literal_len(literal.len()), bytes }
            }
            Reply::Random(_) | Reply::Literal(_) => return None,
        };
        self.segments.push(segment).ok()
    }

    /// Removes `bytes` from the front, across segments.
    pub(crate) fn written(&mut self, bytes: usize) {
        // usize has at most 64 bits on all supported targets, so nothing is lost.
        let mut rest = bytes as u64;
        while let Some(front) = self.segments.front_mut() {
            let left = front.len() - u64::from(self.sent);
            if rest < left {
                match front {
                    // `rest` is below `left`, which is at most MAX_LITERAL.
                    ReplySegment::Literal { .. } => {
                        self.sent += literal_len(usize::try_from(rest).unwrap_or(0));
                    }
                    ReplySegment::Random(count) => *count -= rest,
                }
                return;
            }
            rest -= left;
            self.sent = 0;
            self.segments.pop();
        }
        debug_assert!(rest == 0, "no more than the pending replies can be written");
    }

    pub(crate) fn iter(&self) -> Replies<'_> {
        Replies { queue: self, position: 0 }
    }
}

/// The pending replies of a session, in the order in which they must be written.
#[derive(Clone, Debug)]
pub struct Replies<'a> {
    queue: &'a ReplyQueue,
    position: usize,
}

impl<'a> Iterator for Replies<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        let segment = self.queue.segments.get(self.position)?;
        let sent = if self.position == 0 { usize::from(self.queue.sent) } else { 0 };
        self.position += 1;
        Some(match segment {
            ReplySegment::Literal { len, bytes } => Reply::Literal(&bytes[sent..usize::from(*len)]),
            ReplySegment::Random(count) => Reply::Random(*count),
        })
    }
}

/// The length of a literal, which is at most `MAX_LITERAL`.
fn literal_len(len: usize) -> u8 {
    u8::try_from(len).expect("literals have at most MAX_LITERAL bytes")
}
