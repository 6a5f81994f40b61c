//! Those who draw: QEMU, tools that speak all of EGD, readers by 0x01, and tenants that mean harm.

use std::path::PathBuf;

use htb::Tick;

use crate::ledger::{Account, Ledger};
use crate::violation::Check;
use crate::wire::Wire;

mod hostile;
mod qemu;
mod reader;
mod tool;

pub(crate) use hostile::{Hostile, Malice};
pub(crate) use qemu::{Guest, Qemu};
pub(crate) use reader::Reader;
pub(crate) use tool::Tool;

/// What a client has to do with the world.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its number, for sentences.
    pub(crate) number: usize,
    pub(crate) path: PathBuf,
    pub(crate) wire: Option<Wire>,
    pub(crate) account: Account,
    /// Random bytes since the process that serves it began.
    pub(crate) received: u64,
}

/// What is known when a client acts.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) now: Tick,
    pub(crate) ledger: &'a mut Ledger,
    /// Since when nothing has happened that a read may wait for: a crash, a source that failed.
    pub(crate) calm: Tick,
    /// Nobody begins anything any more.
    pub(crate) closing: bool,
}

/// One who draws.
#[derive(Debug)]
pub(crate) enum Client {
    Qemu(Qemu),
    Tool(Tool),
    Reader(Reader),
    Hostile(Hostile),
}

impl Client {
    /// Does what it can at this instant; whether that was anything.
    pub(crate) fn act(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        match self {
            Self::Qemu(qemu) => qemu.act(scope),
            Self::Tool(tool) => tool.act(scope),
            Self::Reader(reader) => reader.act(scope),
            Self::Hostile(hostile) => Ok(hostile.act(scope)),
        }
    }

    /// When it does something though nothing happens.
    pub(crate) fn next(&self) -> Option<Tick> {
        match self {
            Self::Qemu(qemu) => qemu.next(),
            Self::Tool(tool) => Some(tool.next()),
            Self::Reader(reader) => reader.next(),
            Self::Hostile(hostile) => Some(hostile.next()),
        }
    }

    pub(crate) fn peer(&mut self) -> &mut Peer {
        match self {
            Self::Qemu(qemu) => &mut qemu.peer,
            Self::Tool(tool) => &mut tool.peer,
            Self::Reader(reader) => &mut reader.peer,
            Self::Hostile(hostile) => &mut hostile.peer,
        }
    }
}

impl Peer {
    pub(crate) fn new(number: usize, path: PathBuf) -> Self {
        Self { number, path, wire: None, account: Account::default(), received: 0 }
    }

    /// Tries to connect; whether that went well.
    fn connect(&mut self) -> bool {
        self.wire = Wire::connect(&self.path);
        self.wire.is_some()
    }

    fn hang_up(&mut self) {
        self.wire = None;
        self.account.cut();
    }

    /// Notes random bytes that it got.
    fn got(&mut self, bytes: &[u8], scope: &mut Scope<'_>) -> Result<(), Check> {
        self.received += bytes.len() as u64;
        scope.ledger.note(self.number, &mut self.account, bytes)
    }
}
