//! Counters of the loop since it started.

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
    /// Bytes served unsolicited, without a grant.
    pub unsolicited: u64,
    /// Times a peer's buffer was full.
    pub blocked: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Times a connection could not be accepted for lack of descriptors or memory.
    pub accept_starved: u64,
    /// Limits hit, over all VMs, present and past.
    pub limit_hits: LimitHits,
    pub closed: Closed,
}

/// Connections closed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The peer closed it.
    pub ended: u64,
    /// It sent an unknown command.
    pub unknown_command: u64,
    /// It had too many unlike requests pending.
    pub too_many_runs: u64,
    /// The VM had too many connections, or another VM needed the descriptor.
    pub replaced: u64,
    /// It did not complete a command in time.
    pub stalled: u64,
    /// It sent far too many commands for far too long.
    pub flooding: u64,
    /// The kernel reported an error.
    pub broken: u64,
    /// The VM was detached, or the data plane drained.
    pub detached: u64,
}

impl Closed {
    pub(crate) fn count(&mut self, reason: CloseReason) {
        let closed = match reason {
            CloseReason::Protocol(egd::ProtocolError::UnknownCommand(_)) => &mut self.unknown_command,
            CloseReason::Protocol(egd::ProtocolError::TooManyRuns) => &mut self.too_many_runs,
            CloseReason::Flooding => &mut self.flooding,
            CloseReason::Stalled => &mut self.stalled,
            CloseReason::Disconnected => &mut self.ended,
            CloseReason::Socket(_) => &mut self.broken,
        };
        *closed += 1;
    }
}

impl LimitHits {
    pub(crate) fn count(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Protocol(_) => self.garbage += 1,
            CloseReason::Flooding => self.flooding += 1,
            CloseReason::Stalled => self.stalled += 1,
            CloseReason::Disconnected | CloseReason::Socket(_) => {}
        }
    }
}
