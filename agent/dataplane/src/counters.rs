//! What the loop has done since it began.

use crate::connection::CloseReason;
use crate::vm::LimitHits;

/// Totals over all pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times the loop slept and was woken.
    pub wake_ups: u64,
    /// Reads from connections.
    pub reads: u64,
    /// Grants of the class trees.
    pub grants: u64,
    /// Bytes granted.
    pub granted: u64,
    /// Bytes served unsolicited, which no grant was for.
    pub unsolicited: u64,
    /// Times a peer's buffer was full.
    pub blocked: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Times a connection could not be accepted for want of descriptors or memory.
    pub accept_starved: u64,
    /// Limits on what one VM may do, over all VMs there ever were.
    pub limit_hits: LimitHits,
    /// Connections that ended, by reason.
    pub closed: Closed,
}

/// Connections that ended, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The peer closed it.
    pub ended: u64,
    /// It sent a byte that begins no command.
    pub unknown_command: u64,
    /// It had too many unlike requests unanswered.
    pub too_many_runs: u64,
    /// The VM made a newer one and had its full number, or others needed its descriptor more.
    pub replaced: u64,
    /// It began a command and did not end it in time.
    pub stalled: u64,
    /// It asked far too much for far too long.
    pub flooding: u64,
    /// The kernel reported an error.
    pub broken: u64,
    /// The VM was detached, or the server drained.
    pub detached: u64,
}

impl Closed {
    pub(crate) fn count(&mut self, fault: CloseReason) {
        let closed = match fault {
            CloseReason::Garbage(egd::ProtocolError::UnknownCommand(_)) => &mut self.unknown_command,
            CloseReason::Garbage(egd::ProtocolError::TooManyRuns) => &mut self.too_many_runs,
            CloseReason::Flooding => &mut self.flooding,
            CloseReason::Stalled => &mut self.stalled,
            CloseReason::Gone => &mut self.ended,
            CloseReason::Broken(_) => &mut self.broken,
        };
        *closed += 1;
    }
}
