//! Why a connection has to be closed.

use core::fmt;

/// What a client did that ends its connection. Nothing after it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A byte that begins no command. Lengths are unknown from here on, so nothing that follows has a meaning.
    UnknownCommand(u8),
    /// More changes between kinds of request, all unanswered, than a session keeps.
    TooManyRuns,
}

impl ProtocolError {
    /// One word for logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownCommand(_) => "UnknownCommand",
            Self::TooManyRuns => "TooManyRuns",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(code) => write!(f, "unknown command {code:#04x}, EGD has 0x00 to 0x04"),
            Self::TooManyRuns => write!(
                f,
                "too many alternating requests: more than {} unanswered runs of different requests",
                crate::MAX_RUNS
            ),
        }
    }
}

impl core::error::Error for ProtocolError {}
