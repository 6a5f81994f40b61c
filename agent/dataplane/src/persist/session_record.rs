//! A session as one number, for the [session file](super::SessionFile).

use egd::{Command, Demand, Session, SessionCounters, SessionSnapshot};

/// What is where no byte was read: no command's code, at even positions, and no count that a client sends, at odd ones.
pub(super) const NOTHING_READ: [u8; 2] = [0xff, 0];

const OWED: u64 = (1 << 40) - 1;
const HALF: u64 = 1 << 40;
const OTHER: u64 = 1 << 41;
const SILENT: u64 = 1 << 42;
const OPEN: u64 = 1 << 43;
/// The bits above are a check of those below.
const CHECKED: u32 = 48;

/// A session that can be continued from these values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    /// Bytes requested by 0x02 and not written yet.
    pub(crate) owed: u64,
    /// The code of a 0x02 has been read, its count has not.
    pub(crate) half: bool,
    /// Another command was received once.
    pub(crate) other_commands: bool,
    /// Nothing was received yet.
    pub(crate) silent: bool,
}

impl SessionRecord {
    /// `None` if its requests and replies are more than a number.
    pub(crate) fn of(session: &Session) -> Option<Self> {
        let owed = session.owed().saturating_add(session.random_pending());
        let half = session.partial_command();
        let other_commands = session.other_commands();
        let idle = session.demand() == Demand::None && session.next_reply().is_none() && !half;
        let silent = !half && session.counters() == SessionCounters::default();
        (idle || !other_commands).then_some(Self { owed, half, other_commands, silent })
    }

    pub(super) fn encode(self) -> u64 {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.half, HALF) | flag(self.other_commands, OTHER) | flag(self.silent, SILENT);
        let value = self.owed.min(OWED) | flags | OPEN;
        value | check(value) << CHECKED
    }

    pub(super) fn decode(word: u64) -> Option<Self> {
        let value = word & ((1 << CHECKED) - 1);
        let valid = value & OPEN != 0 && word >> CHECKED == check(value);
        let set = |flag| value & flag != 0;
        let record =
            Self { owed: value & OWED, half: set(HALF), other_commands: set(OTHER), silent: set(SILENT) };
        valid.then_some(record)
    }

    /// With what was read and is not in it yet. `None` if that is more than 0x02, or where it ends is not known.
    pub(super) fn receive(mut self, read: &[u8]) -> Option<Self> {
        for (at, byte) in read.iter().enumerate().skip(usize::from(self.half)) {
            match (at % 2, *byte) {
                (0, byte) if byte == NOTHING_READ[0] => return Some(self),
                (0, Command::READ_BLOCKING) => (self.half, self.silent) = (true, false),
                (0, _) => return None,
                (_, count) if count == NOTHING_READ[1] => {
                    // Either the count was not read, or it is zero, which no client that we know sends.
                    let began_half = at == 1 && read[0] == NOTHING_READ[0];
                    return began_half.then_some(self);
                }
                (_, count) => (self.half, self.owed) = (false, self.owed + u64::from(count)),
            }
        }
        Some(self)
    }

    /// The session that it describes.
    pub(super) fn snapshot(self) -> SessionSnapshot {
        let owed = self.owed.min(egd::MAX_OWED);
        SessionSnapshot {
            partial: if self.half { vec![Command::READ_BLOCKING] } else { Vec::new() },
            requests: if owed > 0 { vec![(Demand::Blocking(owed), 1)] } else { Vec::new() },
            replies: Vec::new(),
            // How many requests there were is not stored; that there were any tells what the client is.
            counters: SessionCounters {
                blocking: u64::from(!self.silent && !self.half),
                ..SessionCounters::default()
            },
            other_commands: self.other_commands,
        }
    }
}

fn check(value: u64) -> u64 {
    // The golden ratio spreads each bit over the upper ones.
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> CHECKED) & 0xffff
}
