//! Errors in what a peer sends.

/// Why a message or a configuration cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message is empty, or of a type that this version does not know.
    #[error("the message of the peer is empty or of an unknown type")]
    Empty,
    #[error("{what} cannot be decoded: {source}")]
    Bytes { what: String, source: prost::DecodeError },
    #[error("{field} is required")]
    Missing { field: &'static str },
    #[error("{field} is {value}: {right}")]
    Value {
        field: &'static str,
        value: String,
        /// What would be right.
        right: &'static str,
    },
    #[error("{name}: {source}")]
    Resource { name: String, source: Box<DecodeError> },
    /// The resources do not form a configuration.
    #[error("{0}")]
    Assemble(delivery::AssembleError),
}

impl DecodeError {
    /// The reason in logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Assemble(_) => "ConfigIncomplete",
            Self::Resource { .. } | Self::Missing { .. } | Self::Value { .. } => "ConfigNotUnderstood",
            Self::Empty | Self::Bytes { .. } => "MessageNotUnderstood",
        }
    }

    pub(crate) fn value(field: &'static str, value: &impl ToString, right: &'static str) -> Self {
        Self::Value { field, value: value.to_string(), right }
    }
}

pub(crate) fn needed<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}
