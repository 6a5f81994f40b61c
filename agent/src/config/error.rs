//! Why a configuration cannot be applied.

/// Why a configuration was not applied. The data plane keeps the pools it has.
#[derive(Debug, thiserror::Error)]
pub enum ApplyConfigError {
    /// A source of the configuration is invalid.
    #[error("pool {pool}: source {name}: {source}")]
    Source { pool: String, name: String, source: SourceSpecError },
    /// The data plane rejected the configuration as a whole.
    #[error("the pools are unchanged")]
    DataPlane(#[source] dataplane::ApplyError),
}

impl ApplyConfigError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source { source, .. } => source.reason(),
            Self::DataPlane(_) => "ApplyFailed",
        }
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
