//! A terminal as a noise source: raw and exclusive while it is open.
//!
//! A line discipline in its default mode replaces carriage returns, takes control characters as commands, and echoes input
//! back to the device.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, ioctl_tiocexcl,
    ioctl_tiocnxcl, isatty, tcflush, tcgetattr, tcsetattr,
};

use crate::waker::lock;

/// The terminals that this process has open: their numbers, how often, and the settings that they had before. The last
/// one to be closed restores them.
static OPEN: Mutex<Vec<OpenTerminal>> = Mutex::new(Vec::new());

struct OpenTerminal {
    device: u64,
    count: usize,
    before: Termios,
}

/// Keeps a terminal raw and exclusive; restores its settings when dropped.
#[derive(Debug)]
pub(super) struct RawMode {
    terminal: OwnedFd,
    device: u64,
}

impl RawMode {
    /// `None` if the file is not a terminal. What it received before is discarded: it went through the line discipline.
    pub(super) fn enter(file: impl AsFd, device: u64) -> Result<Option<Self>, Errno> {
        if !isatty(&file) {
            return Ok(None);
        }
        let terminal = fcntl_dupfd_cloexec(&file, 0)?;
        let mut open = lock(&OPEN);
        let before = tcgetattr(&terminal)?;
        let raw = raw(&before);
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        // tcsetattr succeeds if any of the changes could be made.
        if !is_raw(&tcgetattr(&terminal)?) {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
            return Err(Errno::INVAL);
        }
        if let Err(errno) = ioctl_tiocexcl(&terminal).and_then(|()| tcflush(&terminal, QueueSelector::IFlush))
        {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
            return Err(errno);
        }
        match open.iter_mut().find(|terminal| terminal.device == device) {
            Some(terminal) => terminal.count += 1,
            None => open.push(OpenTerminal { device, count: 1, before }),
        }
        Ok(Some(Self { terminal, device }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let mut open = lock(&OPEN);
        let Some(at) = open.iter().position(|terminal| terminal.device == self.device) else { return };
        open[at].count -= 1;
        if open[at].count == 0 {
            let OpenTerminal { before, .. } = open.swap_remove(at);
            // It may be gone: then there is nothing to restore.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &before);
            let _ = ioctl_tiocnxcl(&self.terminal);
        }
    }
}

/// What `cfmakeraw(3)` does: eight bits, no echo, no lines, no signals, no flow control by XON and XOFF. A read returns
/// what there is.
fn raw(settings: &Termios) -> Termios {
    let mut raw = settings.clone();
    raw.make_raw();
    raw.input_modes -= InputModes::IXOFF | InputModes::IXANY | InputModes::INPCK;
    raw.control_modes -= ControlModes::CSTOPB;
    raw.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

/// Whether every byte arrives as it was sent, and none is sent back.
fn is_raw(settings: &Termios) -> bool {
    let wanted = raw(settings);
    let control = ControlModes::CSIZE | ControlModes::PARENB;
    settings.input_modes == wanted.input_modes
        && settings.local_modes == wanted.local_modes
        && (settings.control_modes & control) == (wanted.control_modes & control)
}
