//! A command that was begun has to be ended.

use htb::Tick;

use crate::clock::SECOND;
use crate::connection::CloseReason;
use crate::slab::Key;
use crate::state::DataPlane;

/// How long a command may take from its first byte to its last. QEMU writes both bytes of its one at once.
const WHOLE_WITHIN: u64 = 10 * SECOND;

/// When the command that is half read was begun. A connection between commands may be silent for ever: QEMU is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandTimeout {
    since: Option<Tick>,
}

impl CommandTimeout {
    /// Something was read: it ended some commands (`ended`), and perhaps began one that is `partial`.
    pub(crate) fn read(&mut self, ended: bool, partial: bool, now: Tick) {
        self.since = match self.since {
            _ if !partial => None,
            Some(since) if !ended => Some(since),
            _ => Some(now),
        };
    }

    /// When the command that is half read is overdue; `None` if there is none.
    pub(crate) fn due(self) -> Option<Tick> {
        self.since.map(|since| since.after(WHOLE_WITHIN))
    }
}

impl DataPlane {
    /// Notes by when the command has to be whole that a connection is in the middle of.
    pub(crate) fn list_stalled(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // Once listed it stays so until then, however many commands it begins: a list that a guest could make grow
        // would be no bound.
        if let Some(due) = connection.command_timeout.due().filter(|_| !connection.listed.stalled) {
            connection.listed.stalled = true;
            self.work.stalled.insert(due, key);
        }
    }

    /// Ends the connections whose command is overdue.
    pub(crate) fn close_stalled(&mut self, now: Tick) {
        while let Some(key) = self.work.stalled.pop(now) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.listed.stalled = false;
            if connection.command_timeout.due().is_some_and(|due| due <= now) {
                self.close_faulty(key, CloseReason::Stalled, now);
            } else {
                self.list_stalled(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: fn(u64) -> Tick = |seconds| Tick(seconds * SECOND);

    #[test]
    fn between_commands_nothing_is_due() {
        let mut stall = CommandTimeout::default();
        assert_eq!(stall.due(), None);
        stall.read(true, false, SECONDS(1));
        assert_eq!(stall.due(), None);
    }

    #[test]
    fn a_byte_now_and_then_does_not_put_the_end_off() {
        let mut stall = CommandTimeout::default();
        stall.read(false, true, SECONDS(1));
        stall.read(false, true, SECONDS(9));
        assert_eq!(stall.due(), Some(SECONDS(11)));
        stall.read(true, false, SECONDS(10));
        assert_eq!(stall.due(), None);
    }

    #[test]
    fn the_next_command_has_a_time_of_its_own() {
        let mut stall = CommandTimeout::default();
        stall.read(false, true, SECONDS(1));
        stall.read(true, true, SECONDS(9));
        assert_eq!(stall.due(), Some(SECONDS(19)));
    }
}
