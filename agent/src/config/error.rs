//! Why a configuration cannot be applied.

use std::error::Error;

use delivery::Nack;

/// Why a configuration was not applied. The data plane keeps the pools it has. One pool is applied in another way: see
/// [`pool`](ApplyConfigError::pool).
#[derive(Debug, thiserror::Error)]
pub enum ApplyConfigError {
    /// A source of the configuration is invalid.
    #[error("pool {pool}: source {name}: {source}")]
    Source { pool: String, name: String, source: SourceSpecError },
    #[error(transparent)]
    DataPlane(dataplane::ApplyError),
}

impl ApplyConfigError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source { source, .. } => source.reason(),
            Self::DataPlane(error) => error.reason(),
        }
    }

    /// The pool that cannot be applied; `None` if it is none's fault.
    pub(crate) fn pool(&self) -> Option<&str> {
        match self {
            Self::Source { pool, .. } => Some(pool),
            Self::DataPlane(error) => error.pool(),
        }
    }

    /// As the agent answers it: with all its causes.
    pub(crate) fn to_nack(&self) -> Nack {
        Nack::new(self.reason(), chain(self))
    }
}

/// Why a source of the configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum SourceSpecError {
    #[error("unknown CPU instruction {instruction}: only RDSEED is supported")]
    Instruction { instruction: String },
    #[error("min-entropy of {given} thousandths of a bit per byte is out of range: use 0.001 to 8 bits")]
    MinEntropy { given: u16 },
}

impl SourceSpecError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Instruction { .. } => "UnknownInstruction",
            Self::MinEntropy { .. } => "InvalidMinEntropy",
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let message = source.to_string();
        // Some errors contain their cause already.
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = source.source();
    }
    text
}
