//! The five commands: how a client encodes them, and how the server decodes them.

use alloc::vec::Vec;

/// A complete command, as a client sends it. Lengths are one byte; clients pipeline larger requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 0x00: how many bits can be read at once. The reply is four bytes, big-endian.
    Level,
    /// 0x01: read up to this many bytes, without waiting. The reply is a count byte and that many bytes.
    ReadNonBlocking(u8),
    /// 0x02: read exactly this many bytes, when they are available. The reply has no count byte.
    ReadBlocking(u8),
    /// 0x03: offer `length` bytes, which follow the header. There is no reply.
    Write {
        /// The number of bits of entropy that the client claims. It is ignored.
        bits: u16,
        length: u8,
    },
    /// 0x04: the process id of the server. The reply is a length byte and ASCII digits.
    Pid,
}

impl Command {
    pub const LEVEL: u8 = 0x00;
    pub const READ_NON_BLOCKING: u8 = 0x01;
    pub const READ_BLOCKING: u8 = 0x02;
    pub const WRITE: u8 = 0x03;
    pub const PID: u8 = 0x04;

    /// Appends the encoded command. The caller appends the payload of a [`Command::Write`].
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

/// Decodes commands, however the bytes are split. It is all the memory that a partial command needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// Between commands.
    #[default]
    Idle,
    /// After 0x01.
    NonBlocking,
    /// After 0x02.
    Blocking,
    /// After 0x03.
    Write,
    /// After 0x03 and the high byte of its claim.
    WriteHigh(u8),
    /// After 0x03 and its claim.
    WriteBits(u16),
    /// After the header of 0x03, with `left` bytes of payload to discard.
    Payload { bits: u16, length: u8, left: u8 },
}

/// A byte that is not the code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownCommand(pub(crate) u8);

impl Decoder {
    /// Decodes a byte. Returns the command that it completes, if any.
    pub(crate) fn decode(&mut self, byte: u8) -> Result<Option<Command>, UnknownCommand> {
        let (next, command) = match *self {
            Self::Idle => Self::start(byte)?,
            Self::NonBlocking => (Self::Idle, Some(Command::ReadNonBlocking(byte))),
            Self::Blocking => (Self::Idle, Some(Command::ReadBlocking(byte))),
            Self::Write => (Self::WriteHigh(byte), None),
            Self::WriteHigh(high) => (Self::WriteBits(u16::from_be_bytes([high, byte])), None),
            Self::WriteBits(bits) => Self::payload(bits, byte, byte),
            Self::Payload { bits, length, left } => Self::payload(bits, length, left - 1),
        };
        *self = next;
        Ok(command)
    }

    fn start(byte: u8) -> Result<(Self, Option<Command>), UnknownCommand> {
        match byte {
            Command::LEVEL => Ok((Self::Idle, Some(Command::Level))),
            Command::READ_NON_BLOCKING => Ok((Self::NonBlocking, None)),
            Command::READ_BLOCKING => Ok((Self::Blocking, None)),
            Command::WRITE => Ok((Self::Write, None)),
            Command::PID => Ok((Self::Idle, Some(Command::Pid))),
            unknown => Err(UnknownCommand(unknown)),
        }
    }

    fn payload(bits: u16, length: u8, left: u8) -> (Self, Option<Command>) {
        match left {
            0 => (Self::Idle, Some(Command::Write { bits, length })),
            left => (Self::Payload { bits, length, left }, None),
        }
    }

    /// The bytes of a partial command. Those of a discarded payload are zero.
    pub(crate) fn partial(self) -> Vec<u8> {
        let write = |bits: u16, rest: &[u8]| {
            let [high, low] = bits.to_be_bytes();
            [&[Command::WRITE, high, low], rest].concat()
        };
        match self {
            Self::Idle => Vec::new(),
            Self::NonBlocking => [Command::READ_NON_BLOCKING].into(),
            Self::Blocking => [Command::READ_BLOCKING].into(),
            Self::Write => [Command::WRITE].into(),
            Self::WriteHigh(high) => [Command::WRITE, high].into(),
            Self::WriteBits(bits) => write(bits, &[]),
            Self::Payload { bits, length, left } => {
                let mut partial = write(bits, &[length]);
                partial.resize(partial.len() + usize::from(length - left), 0);
                partial
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;

    fn commands(wire: &[u8]) -> Vec<Command> {
        let mut decoder = Decoder::default();
        wire.iter().filter_map(|byte| decoder.decode(*byte).unwrap()).collect()
    }

    #[test]
    fn commands_survive_a_round_trip() {
        let all = [
            Command::Level,
            Command::ReadNonBlocking(0),
            Command::ReadNonBlocking(255),
            Command::ReadBlocking(64),
            Command::Write { bits: 0x1234, length: 0 },
            Command::Pid,
        ];
        let mut wire = vec![];
        for command in all {
            command.encode(&mut wire);
        }
        assert_eq!(commands(&wire), all);
    }

    #[test]
    fn payload_that_looks_like_commands_is_discarded() {
        assert_eq!(
            commands(&[3, 0, 8, 3, 9, 2, 4, 4]),
            [Command::Write { bits: 8, length: 3 }, Command::Pid]
        );
    }

    #[test]
    fn other_bytes_are_unknown_commands() {
        for byte in 5..=255 {
            assert_eq!(Decoder::default().decode(byte), Err(UnknownCommand(byte)));
        }
    }
}
