//! What interrupts a feeder's wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Rung by whoever wants the feeder to look around; rings before it is heard are one.
#[derive(Clone, Debug)]
pub(crate) struct SamplerWaker(Arc<OwnedFd>);

impl SamplerWaker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(crate) fn ring(&self) {
        // It fails only when the count is full, and then the feeder will hear it as well.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Forgets all rings so far.
    pub(crate) fn hear(&self) {
        // It fails when nobody rang.
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for SamplerWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
