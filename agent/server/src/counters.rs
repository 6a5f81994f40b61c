//! What the loop has done since it began.

use crate::connection::Fault;
use crate::curbs::Curbs;

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
    /// Bytes served unasked, which no grant was for.
    pub unasked: u64,
    /// Times a peer's buffer was full.
    pub blocked: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Times a connection could not be accepted for want of descriptors or memory.
    pub accept_starved: u64,
    /// Limits on what one VM may do, over all VMs there ever were.
    pub curbs: Curbs,
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
    pub(crate) fn count(&mut self, fault: Fault) {
        let closed = match fault {
            Fault::Garbage(egd::Violation::UnknownCommand(_)) => &mut self.unknown_command,
            Fault::Garbage(egd::Violation::TooManyRuns) => &mut self.too_many_runs,
            Fault::Flooding => &mut self.flooding,
            Fault::Stalled => &mut self.stalled,
            Fault::Gone => &mut self.ended,
            Fault::Broken(_) => &mut self.broken,
        };
        *closed += 1;
    }
}
