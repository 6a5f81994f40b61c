//! What a VM was kept from, as its own doing.

use crate::connection::CloseReason;

/// How often a limit on what one VM may do has held it back since it was attached. All zero for a QEMU whose guest
/// is what it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// Connections that waited to be accepted, since there had been too many in a short time.
    pub delayed: u64,
    /// Connections closed for newer ones.
    pub replaced: u64,
    /// Requests answered with nothing, since there had been too many in a short time.
    pub unanswered: u64,
    /// Connections closed for asking far too much for far too long.
    pub flooding: u64,
    /// Connections closed in the middle of a command that was not ended in time.
    pub stalled: u64,
    /// Connections closed for a byte that begins no command, or too many unlike requests unanswered.
    pub garbage: u64,
    /// Times that what it had sent was left for later, since it had sent much.
    pub deferred: u64,
}

impl LimitHits {
    pub(crate) fn count(&mut self, fault: CloseReason) {
        match fault {
            CloseReason::Garbage(_) => self.garbage += 1,
            CloseReason::Flooding => self.flooding += 1,
            CloseReason::Stalled => self.stalled += 1,
            CloseReason::Gone | CloseReason::Broken(_) => {}
        }
    }
}
