//! How many descriptors this process may hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a VM needs: its listener and its connection. A second connection may have to wait for one.
const PER_VM: u64 = 2;

/// Descriptors kept for all else: sources, the local API, logs, files of a configuration being read.
const RESERVE: u64 = 128;

/// Raises the soft limit to the hard one, and says so if it cannot. Gives what holds then.
pub(crate) fn raise() -> u64 {
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
            tracing::warn!(soft, hard, error = %errno, "the limit of open files could not be raised");
            soft
        }
    }
}

/// How many VMs fit under a limit of open files.
pub(crate) fn vms_within(limit: u64) -> u64 {
    limit.saturating_sub(RESERVE) / PER_VM
}

/// The limit of open files that so many VMs need.
pub(crate) fn needed(vms: u64) -> u64 {
    vms.saturating_mul(PER_VM).saturating_add(RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(limit.current.unwrap_or(u64::MAX), raised);
    }

    #[test]
    fn a_tiny_limit_leaves_room_for_no_vm() {
        assert_eq!(vms_within(64), 0);
        assert_eq!(vms_within(1024), 448);
        assert!(needed(448) <= 1024 && needed(449) > 1024);
    }
}
