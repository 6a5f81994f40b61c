//! Sources, and what a pool makes of them.

use serde::Serialize;

use super::Span;

/// What is promised for every byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) enum Output {
    #[default]
    Stretched,
    FullEntropy,
    Raw,
}

/// What a pool promises and serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolOutput {
    pub(crate) promised: Output,
    /// Nothing while it starts or holds.
    pub(crate) served: Option<Output>,
    /// It is less than was promised, also where it has the same name.
    pub(crate) degraded: bool,
    #[serde(rename = "seconds")]
    pub(crate) lasted: Option<Span>,
    pub(crate) message: Option<String>,
}

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SourceState {
    Starting,
    Healthy,
    Suspect,
    Failed,
    Unavailable,
}

/// One source of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source {
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) tier: u32,
    pub(crate) active: bool,
    pub(crate) state: SourceState,
    #[serde(rename = "seconds")]
    pub(crate) lasted: Option<Span>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    /// None for the kernel, which is no noise source.
    #[serde(flatten)]
    pub(crate) stats: Option<SourceStats>,
}

/// What a noise source gave and where it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceStats {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_credited: u64,
    pub(crate) failures: Failures,
}

/// How often a noise source failed, by what found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failures {
    pub(crate) repetition_count: u64,
    pub(crate) adaptive_proportion: u64,
    pub(crate) block_tests: u64,
    pub(crate) lost: u64,
}

impl Failures {
    pub(crate) fn sum(self) -> u64 {
        self.repetition_count + self.adaptive_proportion + self.block_tests + self.lost
    }
}
