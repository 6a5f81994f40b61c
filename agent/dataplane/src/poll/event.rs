//! The origin of an event, encoded in the 64 bits that epoll stores with it.

use rustix::event::epoll::{self, EventData, EventFlags};

use crate::slab::Key;

/// The origin of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Another thread woke the loop: commands are pending, or a supply was refilled.
    Waker,
    Timer,
    /// This VM's socket has connections to accept.
    Listener(Key),
    Connection(Key),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PollEvent {
    pub(crate) token: Token,
    pub(crate) writable: bool,
    /// The peer has shut down its side.
    pub(crate) ended: bool,
    /// The peer has closed the socket, so that it does not read either.
    pub(crate) hung_up: bool,
}

impl PollEvent {
    pub(super) fn unpack(event: epoll::Event) -> Self {
        let flags = event.flags;
        Self {
            token: Token::unpack(event.data),
            writable: flags.contains(EventFlags::OUT),
            ended: flags.contains(EventFlags::RDHUP),
            hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        }
    }
}

impl Token {
    pub(super) fn pack(self) -> EventData {
        let (kind, key) = match self {
            Self::Waker => (0, Key { slot: 0, generation: 0 }),
            Self::Timer => (1, Key { slot: 0, generation: 0 }),
            Self::Listener(key) => (2, key),
            Self::Connection(key) => (3, key),
        };
        // A process holds fewer than 2^30 descriptors, so a slot leaves two bits for the kind.
        EventData::new_u64(u64::from(key.slot) << 34 | kind << 32 | u64::from(key.generation))
    }

    fn unpack(data: EventData) -> Self {
        let bits = data.u64();
        #[expect(clippy::cast_possible_truncation, reason = "the other fields are cut off")]
        let key = Key { slot: (bits >> 34) as u32, generation: bits as u32 };
        match (bits >> 32) & 3 {
            0 => Self::Waker,
            1 => Self::Timer,
            2 => Self::Listener(key),
            _ => Self::Connection(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_unpacked_as_it_was_packed() {
        let key = Key { slot: (1 << 30) - 1, generation: u32::MAX };
        for token in [Token::Waker, Token::Timer, Token::Listener(key), Token::Connection(key)] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}
