//! Conditions of both kinds: which there are, and the one word that says why.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition, in Kubernetes' own shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is told.
    #[serde(rename = "type")]
    #[schemars(schema_with = "word")]
    pub kind: ConditionType,

    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,

    /// Why, in one word: the same in logs, metrics and Events.
    #[schemars(schema_with = "word")]
    pub reason: Reason,

    /// Why, in a sentence.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub message: String,

    /// The `metadata.generation` this was found for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// When `status` last changed. Absent until it is written to a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// The conditions there are. One that a newer version wrote is read as `Other` and left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// The newest spec breaks no rule and is what runs.
    Accepted,
    /// As many sources are healthy as the pool needs, on every node.
    SourcesHealthy,
    /// Some node serves less than the pool's output promises.
    Degraded,
    /// Every selected node runs the accepted spec.
    Programmed,
    /// VMs are served as promised.
    Ready,
    /// A condition of a newer version.
    #[serde(other)]
    Other,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// It cannot be told now.
    Unknown,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Why a condition is as it is. One that a newer version wrote is read as `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
            /// A reason of a newer version.
            #[serde(other)]
            Other,
        }

        impl Reason {
            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::Other => "Other",
                }
            }
        }
    };
}

reasons! {
    /// All is as it should be.
    AsPromised,
    /// Not yet looked at.
    Pending,
    /// `Accepted`: the spec breaks no rule.
    Accepted,
    /// `Accepted`: the spec breaks a rule that needs no other object.
    InvalidSpec,
    /// `Accepted`: the class names a pool that does not exist.
    UnknownPool,
    /// `Accepted`: the class names a parent that does not exist.
    UnknownParent,
    /// `Accepted`: the class names a parent in another pool.
    ParentInOtherPool,
    /// `Accepted`: the class would be its own ancestor.
    ParentCycle,
    /// `Accepted`: the pool's default class does not exist.
    UnknownClass,
    /// `Accepted`: the pool's default class is part of another pool.
    ClassInOtherPool,
    /// `Accepted`: the tree would be deeper than a node can hold.
    TooDeep,
    /// `Accepted`: there would be more classes than a node can hold.
    TooMany,
    /// `Accepted`: the rates under a parent would pass the parent's.
    RateOverParent,
    /// `Accepted`: the pool's rate would pass what its sources give.
    RateOverSources,
    /// `Accepted`: a rate is more than the ceil beside it.
    RateOverCeil,
    /// `Accepted`: `perVM` or `perNamespace` is more than the class's rate.
    RateOverClass,
    /// `Accepted`: `maxVMs` times `perVM.rate` is more than the class's rate.
    VmsOverRate,
    /// `Accepted`: the output needs a noise source and the pool has none.
    NoNoiseSource,
    /// `Accepted`: more healthy sources are asked for than there are.
    TooFewSources,
    /// `SourcesHealthy`: every source passes its tests.
    Healthy,
    /// `SourcesHealthy`: a noise source is in its start-up test.
    Starting,
    /// `SourcesHealthy`: a health test failed.
    HealthTestFailed,
    /// `SourcesHealthy`: a source cannot be opened or read.
    SourceUnavailable,
    /// `SourcesHealthy`: a node's agent does not allow a source.
    SourceNotPermitted,
    /// `SourcesHealthy`: fewer sources are healthy than the pool needs.
    TooFewHealthySources,
    /// `Degraded`: stretched bytes are served in place of what was promised.
    ServingStretched,
    /// `Degraded`: nothing is served rather than less than was promised.
    Holding,
    /// `Programmed`: every selected node runs it.
    Programmed,
    /// `Programmed`: no node is selected.
    NoNodes,
    /// `Programmed`: some node has not taken it yet.
    NodesPending,
    /// `Programmed`: some node refused it.
    NodesRefused,
    /// `Programmed`: some node cannot be reached.
    NodesUnreachable,
    /// `Ready`: the spec is refused and nothing runs, or the last accepted one does.
    NotAccepted,
    /// `Ready`: the pool of the class is not ready.
    PoolNotReady,
}

impl ConditionType {
    /// The word itself.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::SourcesHealthy => "SourcesHealthy",
            Self::Degraded => "Degraded",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
            Self::Other => "Other",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

// Not an enum in the schema: a version that knows fewer words must still be able to read and write status.
fn word(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z]+$" })
}
