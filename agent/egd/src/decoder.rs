//! Bytes to commands, however the bytes are cut.

use crate::command::Command;

/// Where in a command the stream stands. This is all that a half-sent command costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// Between commands.
    #[default]
    Idle,
    /// 0x01 came, its length did not.
    NonBlocking,
    /// 0x02 came, its length did not.
    Blocking,
    /// 0x03 came.
    Write,
    /// 0x03 and the high byte of its claim.
    WriteHigh(u8),
    /// 0x03 and its claim.
    WriteBits(u16),
    /// A whole header of 0x03, and `left` bytes of payload to throw away.
    Payload { bits: u16, length: u8, left: u8 },
}

/// A byte that begins no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownCommand(pub(crate) u8);

impl Decoder {
    /// Takes one byte; gives the command that it completes, if it does.
    pub(crate) fn take(&mut self, byte: u8) -> Result<Option<Command>, UnknownCommand> {
        let (next, command) = match *self {
            Self::Idle => Self::begin(byte)?,
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

    fn begin(byte: u8) -> Result<(Self, Option<Command>), UnknownCommand> {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::{vec, vec::Vec};

    fn commands(wire: &[u8]) -> Vec<Command> {
        let mut decoder = Decoder::default();
        wire.iter().filter_map(|byte| decoder.take(*byte).unwrap()).collect()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
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
    fn payload_that_looks_like_commands_is_thrown_away() {
        assert_eq!(
            commands(&[3, 0, 8, 3, 9, 2, 4, 4]),
            [Command::Write { bits: 8, length: 3 }, Command::Pid]
        );
    }

    #[test]
    fn every_other_byte_begins_no_command() {
        for byte in 5..=255 {
            assert_eq!(Decoder::default().take(byte), Err(UnknownCommand(byte)));
        }
    }
}
