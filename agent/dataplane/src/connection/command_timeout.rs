//! The time limit of an incomplete command.

use htb::Tick;

use crate::clock::SECOND;

/// How long a command may take from its first byte to its last. QEMU writes both bytes of its command at once.
const COMMAND_TIMEOUT: u64 = 10 * SECOND;

/// When the partial command began. Between commands a connection may be silent forever, as QEMU is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandTimeout {
    since: Option<Tick>,
}

impl CommandTimeout {
    /// After a read that completed commands (`completed`), and perhaps left one `partial`.
    pub(crate) fn update(&mut self, completed: bool, partial: bool, now: Tick) {
        self.since = match self.since {
            _ if !partial => None,
            Some(since) if !completed => Some(since),
            _ => Some(now),
        };
    }

    /// When the partial command is overdue; `None` if there is none.
    pub(crate) fn due(self) -> Option<Tick> {
        self.since.map(|since| since.after(COMMAND_TIMEOUT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: fn(u64) -> Tick = |seconds| Tick(seconds * SECOND);

    #[test]
    fn between_commands_nothing_is_due() {
        let mut timeout = CommandTimeout::default();
        assert_eq!(timeout.due(), None);
        timeout.update(true, false, SECONDS(1));
        assert_eq!(timeout.due(), None);
    }

    #[test]
    fn a_byte_now_and_then_does_not_extend_the_timeout() {
        let mut timeout = CommandTimeout::default();
        timeout.update(false, true, SECONDS(1));
        timeout.update(false, true, SECONDS(9));
        assert_eq!(timeout.due(), Some(SECONDS(11)));
        timeout.update(true, false, SECONDS(10));
        assert_eq!(timeout.due(), None);
    }

    #[test]
    fn the_next_command_has_its_own_timeout() {
        let mut timeout = CommandTimeout::default();
        timeout.update(false, true, SECONDS(1));
        timeout.update(true, true, SECONDS(9));
        assert_eq!(timeout.due(), Some(SECONDS(19)));
    }
}
