//! How many file descriptors this process may hold.

use std::io::stdin;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a VM needs: its listener and its connection. Second connections are closed when others need them.
const PER_VM: u64 = 2;

/// Descriptors kept for everything else: sources, the local API, logs, configuration files.
const RESERVE: u64 = 128;

/// Descriptors that the table is sized for: 128 KiB of the kernel's memory, enough for some 8,000 VMs.
const TABLE_SIZE: u64 = 16_384;

/// Raises the soft limit to the hard one, and returns the limit that applies.
pub(crate) fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (Some(soft), Some(hard)) = (limit.current, limit.maximum) else { return u64::MAX };
    if soft >= hard {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) }) {
        Ok(()) => {
            tracing::debug!(from = soft, to = hard, "raised the limit of open files");
            hard
        }
        Err(errno) => {
            tracing::warn!(soft, hard, error = %errno, "failed to raise the limit of open files");
            soft
        }
    }
}

/// Makes the kernel size this process's descriptor table for the maximum number. To be called while there is only one
/// thread: the kernel doubles the table when it is full, and once threads share it each time takes some ten
/// milliseconds (`synchronize_rcu` in `expand_fdtable`), six times on the way to a thousand VMs, while no VM is served.
pub fn make_room() {
    let last = i32::try_from(raise_limit().min(TABLE_SIZE)).unwrap_or(i32::MAX) - 1;
    // The table keeps its size when the descriptor is closed. On failure it grows as usual.
    let _ = fcntl_dupfd_cloexec(stdin(), last);
}

/// The descriptors that VMs may take: their listeners and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    bound: u64,
}

impl Descriptors {
    /// Those within a limit of open files, less the reserve.
    pub(crate) fn within(limit: u64) -> Self {
        Self { bound: limit.saturating_sub(RESERVE) }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn for_vms(vms: u64) -> Self {
        Self { bound: vms * PER_VM }
    }

    /// The number of VMs that they suffice for.
    pub(crate) fn vms(self) -> u64 {
        self.bound / PER_VM
    }

    /// Whether VMs use more than their share. Never true while each has at most one connection.
    pub(crate) fn are_short(self, vms: usize, connections: usize) -> bool {
        (vms as u64).saturating_add(connections as u64) > self.bound
    }
}

/// The limit of open files that this many VMs need.
pub(crate) fn needed(vms: u64) -> u64 {
    vms.saturating_mul(PER_VM).saturating_add(RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(limit.current.unwrap_or(u64::MAX), raised);
    }

    #[test]
    fn the_table_of_descriptors_is_sized_at_once() {
        make_room();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        let size = size.and_then(|size| size.trim().parse::<u64>().ok());
        assert!(size >= Some(raise_limit().min(TABLE_SIZE)), "{size:?}");
    }

    #[test]
    fn a_tiny_limit_leaves_room_for_no_vm() {
        assert_eq!(Descriptors::within(64).vms(), 0);
        assert_eq!(Descriptors::within(1024).vms(), 448);
        assert!(needed(448) <= 1024 && needed(449) > 1024);
    }

    #[test]
    fn vms_that_fit_have_one_connection_each_and_not_two() {
        let descriptors = Descriptors::within(1024);
        assert!(!descriptors.are_short(448, 448));
        assert!(descriptors.are_short(448, 449));
        assert!(!descriptors.are_short(10, 886) && descriptors.are_short(10, 887));
    }
}
