//! A session that is easy to check by reading: every request and every byte is an item of a list.

use std::collections::VecDeque;

use egd::{Command, Demand, MAX_RUNS, ProtocolError, SessionCounters};

/// An item of the reply stream. Random bytes are counted, because the lists would be too long otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Byte(u8),
    Random(u64),
}

/// Appends random bytes in a canonical form, so that lists can be compared.
pub(crate) fn push_random(pieces: &mut Vec<Piece>, count: u64) {
    match pieces.last_mut() {
        _ if count == 0 => {}
        Some(Piece::Random(last)) => *last += count,
        _ => pieces.push(Piece::Random(count)),
    }
}

#[derive(Default)]
pub(crate) struct Reference {
    unparsed: VecDeque<u8>,
    requests: Vec<Demand>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) counters: SessionCounters,
    pub(crate) protocol_error: Option<ProtocolError>,
}

impl Reference {
    pub(crate) fn receive(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        self.unparsed.extend(input);
        while self.protocol_error.is_none() {
            let Some(command) = self.parse() else { break };
            self.count(command);
            self.queue(command);
        }
        self.protocol_error.map_or(Ok(()), Err)
    }

    /// The next command, if it is complete.
    fn parse(&mut self) -> Option<Command> {
        let wire = self.unparsed.make_contiguous();
        let (length, command) = match *wire {
            [0, ..] => (1, Command::Level),
            [1, n, ..] => (2, Command::ReadNonBlocking(n)),
            [2, n, ..] => (2, Command::ReadBlocking(n)),
            [3, high, low, n, ref payload @ ..] if payload.len() >= usize::from(n) => (
                4 + usize::from(n),
                Command::Write { bits: u16::from(high) << 8 | u16::from(low), length: n },
            ),
            [] | [1 | 2] | [3, ..] => return None,
            [4, ..] => (1, Command::Pid),
            [unknown, ..] => {
                self.protocol_error = Some(ProtocolError::UnknownCommand(unknown));
                return None;
            }
        };
        self.unparsed.drain(..length);
        Some(command)
    }

    fn count(&mut self, command: Command) {
        let (counter, discarded) = match command {
            Command::Level => (&mut self.counters.level, 0),
            Command::ReadNonBlocking(_) => (&mut self.counters.non_blocking, 0),
            Command::ReadBlocking(_) => (&mut self.counters.blocking, 0),
            Command::Write { length, .. } => (&mut self.counters.write, length),
            Command::Pid => (&mut self.counters.pid, 0),
        };
        *counter += 1;
        self.counters.discarded += u64::from(discarded);
    }

    fn queue(&mut self, command: Command) {
        self.requests.push(match command {
            Command::Level => Demand::Level,
            Command::ReadNonBlocking(n) => Demand::NonBlocking(n),
            Command::ReadBlocking(0) | Command::Write { .. } => return,
            Command::ReadBlocking(n) => Demand::Blocking(u64::from(n)),
            Command::Pid => Demand::Pid,
        });
        let same = |one: &Demand, other: &Demand| match (one, other) {
            (Demand::Blocking(_), Demand::Blocking(_)) => true,
            (one, other) => one == other,
        };
        if self.requests.chunk_by(same).count() > MAX_RUNS {
            self.requests.pop();
            self.protocol_error = Some(ProtocolError::TooManyRuns);
        }
    }

    pub(crate) fn demand(&self) -> Demand {
        let owed = self.requests.iter().map_while(|request| match request {
            Demand::Blocking(bytes) => Some(*bytes),
            _ => None,
        });
        match (self.requests.first(), owed.sum()) {
            (None, _) => Demand::None,
            (Some(_), owed @ 1..) => Demand::Blocking(owed),
            (Some(other), 0) => *other,
        }
    }

    pub(crate) fn grant(&mut self, mut bytes: u64) {
        push_random(&mut self.pieces, bytes);
        while let (1.., Some(Demand::Blocking(owed))) = (bytes, self.requests.first_mut()) {
            let paid = bytes.min(*owed);
            bytes -= paid;
            *owed -= paid;
            if *owed == 0 {
                self.requests.remove(0);
            }
        }
    }

    pub(crate) fn answer(&mut self, literal: &[u8], random: u64) {
        self.requests.remove(0);
        self.pieces.extend(literal.iter().map(|byte| Piece::Byte(*byte)));
        push_random(&mut self.pieces, random);
    }

    pub(crate) fn written(&mut self, bytes: u64) {
        for _ in 0..bytes {
            match &mut self.pieces[0] {
                Piece::Random(left @ 2..) => *left -= 1,
                _ => drop(self.pieces.remove(0)),
            }
        }
    }

    pub(crate) fn partial_command(&self) -> bool {
        !self.unparsed.is_empty()
    }

    pub(crate) fn only_blocking_reads(&self) -> bool {
        let SessionCounters { level, non_blocking, write, pid, blocking, .. } = self.counters;
        blocking > 0
            && level + non_blocking + write + pid == 0
            && matches!(self.unparsed.front(), None | Some(2))
    }
}
