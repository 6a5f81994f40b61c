//! What is wrong with what a peer sent.

/// Why a message or a configuration is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A message that says nothing, or nothing that this version knows.
    #[error("a message of the peer says nothing that this version knows")]
    Empty,
    /// Bytes that are no message.
    #[error("{what} cannot be read: {source}")]
    Bytes {
        /// What they should be.
        what: String,
        /// Why they are not.
        source: prost::DecodeError,
    },
    /// A field that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds what it may not.
    #[error("{field} is {value}: {right}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What would be right.
        right: &'static str,
    },
    /// A resource is not understood.
    #[error("{name}: {source}")]
    Resource {
        /// Its name.
        name: String,
        /// Why.
        source: Box<DecodeError>,
    },
    /// The resources are no configuration together.
    #[error("{0}")]
    Assemble(delivery::AssembleError),
}

impl DecodeError {
    /// One word for logs, metrics and conditions.
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

/// A field that must be there.
pub(crate) fn needed<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}
