//! What one connection has asked for so far.

use crate::command::Command;

/// Complete commands by kind since the connection began, and what was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// 0x00 commands.
    pub level: u64,
    /// 0x01 commands.
    pub non_blocking: u64,
    /// 0x02 commands.
    pub blocking: u64,
    /// 0x03 commands.
    pub write: u64,
    /// 0x04 commands.
    pub pid: u64,
    /// Payload bytes of complete 0x03 commands, all of them discarded.
    pub discarded: u64,
    /// Commands whose request did not fit in full, because the run they belong to was at its bound.
    pub saturations: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, command: Command) {
        match command {
            Command::Level => self.level += 1,
            Command::ReadNonBlocking(_) => self.non_blocking += 1,
            Command::ReadBlocking(_) => self.blocking += 1,
            Command::Write { length, .. } => {
                self.write += 1;
                self.discarded += u64::from(length);
            }
            Command::Pid => self.pid += 1,
        }
    }
}
