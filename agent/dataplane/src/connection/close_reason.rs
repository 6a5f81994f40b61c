//! Why a connection is closed before its peer closes it.

use egd::ProtocolError;
use rustix::io::Errno;

use crate::vm::LimitHits;

/// Why a connection is closed before its peer closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("{0}")]
    Garbage(ProtocolError),
    #[error("ten times more commands a second than are answered, for ten seconds")]
    Flooding,
    #[error("a command was begun and not ended within ten seconds")]
    Stalled,
    #[error("the peer has gone, and left something unread")]
    Gone,
    #[error("{0}")]
    Broken(Errno),
}

impl CloseReason {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Garbage(violation) => violation.reason(),
            Self::Flooding => "Flooding",
            Self::Stalled => "Stalled",
            Self::Gone => "Gone",
            Self::Broken(_) => "Broken",
        }
    }

    pub(super) fn of(errno: Errno) -> Self {
        match errno {
            Errno::CONNRESET | Errno::PIPE => Self::Gone,
            errno => Self::Broken(errno),
        }
    }
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
