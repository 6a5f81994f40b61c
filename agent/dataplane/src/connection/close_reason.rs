//! Why a connection is closed before its peer closes it.

use egd::ProtocolError;
use rustix::io::Errno;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("{0}")]
    Protocol(ProtocolError),
    #[error("ten times more commands a second than are answered, for ten seconds")]
    Flooding,
    #[error("a command was not completed within ten seconds")]
    Stalled,
    #[error("the peer closed the connection and left data unread")]
    Disconnected,
    #[error("{0}")]
    Socket(Errno),
}

impl CloseReason {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Protocol(error) => error.reason(),
            Self::Flooding => "Flooding",
            Self::Stalled => "Stalled",
            Self::Disconnected => "Gone",
            Self::Socket(_) => "Broken",
        }
    }

    pub(super) fn of(errno: Errno) -> Self {
        match errno {
            Errno::CONNRESET | Errno::PIPE => Self::Disconnected,
            errno => Self::Socket(errno),
        }
    }
}
