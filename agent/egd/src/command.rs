//! The five commands, and how a client writes them.

use alloc::vec::Vec;

/// One complete command, as a client sends it. Lengths are one byte: larger needs are pipelined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 0x00: how many bits could be read now? The answer is four bytes, big-endian.
    Level,
    /// 0x01: up to this many bytes at once. The answer is a count byte and that many bytes.
    ReadNonBlocking(u8),
    /// 0x02: exactly this many bytes, whenever they come. The answer has no count byte.
    ReadBlocking(u8),
    /// 0x03: `length` bytes that the client says are worth `bits` bits. They follow the header; no answer.
    Write {
        /// The claim, which nobody believes.
        bits: u16,
        /// How many bytes follow.
        length: u8,
    },
    /// 0x04: the server's process id, as a length byte and ASCII digits.
    Pid,
}

impl Command {
    /// The code byte of each command.
    pub const LEVEL: u8 = 0x00;
    /// See [`Command::ReadNonBlocking`].
    pub const READ_NON_BLOCKING: u8 = 0x01;
    /// See [`Command::ReadBlocking`].
    pub const READ_BLOCKING: u8 = 0x02;
    /// See [`Command::Write`].
    pub const WRITE: u8 = 0x03;
    /// See [`Command::Pid`].
    pub const PID: u8 = 0x04;

    /// Appends the command as it goes over the wire; the payload of a [`Command::Write`] is the caller's to append.
    pub fn encode(self, wire: &mut Vec<u8>) {
        match self {
            Self::Level => wire.push(Self::LEVEL),
            Self::ReadNonBlocking(length) => wire.extend([Self::READ_NON_BLOCKING, length]),
            Self::ReadBlocking(length) => wire.extend([Self::READ_BLOCKING, length]),
            Self::Write { bits, length } => {
                let [high, low] = bits.to_be_bytes();
                wire.extend([Self::WRITE, high, low, length]);
            }
            Self::Pid => wire.push(Self::PID),
        }
    }
}
