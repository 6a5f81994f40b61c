//! The conditions of both kinds, and their reasons.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A condition, in the form that Kubernetes defines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The type of the condition.
    #[serde(rename = "type")]
    #[schemars(schema_with = "word")]
    pub kind: ConditionType,

    /// The status of the condition: `True`, `False` or `Unknown`.
    pub status: ConditionStatus,

    /// The reason for the status, in one word. The same word appears in logs, metrics and Events.
    #[schemars(schema_with = "word")]
    pub reason: Reason,

    /// The reason for the status, in a sentence.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub message: String,

    /// The `metadata.generation` that the condition was determined for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// When `status` last changed. Absent until the condition is written to a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// The types of conditions. A type that a newer version wrote is read as `Other` and preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// The newest spec breaks no rule and is in effect.
    Accepted,
    /// On every node, as many sources are healthy as the pool needs.
    SourcesHealthy,
    /// Some node serves less than the output of the pool promises.
    Degraded,
    /// Every selected node runs the accepted spec.
    Programmed,
    /// VMs are served as promised.
    Ready,
    /// A type that a newer version wrote.
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// It is not known at present whether the condition holds.
    Unknown,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// The reason of a condition. A reason that a newer version wrote is read as `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
            /// A reason that a newer version wrote.
            #[serde(other)]
            Other,
        }

        impl Reason {
            /// The word, as in the API.
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
    /// Everything is as it should be.
    AsPromised,
    /// Not processed yet.
    Pending,
    /// `Accepted`: the spec breaks no rule.
    Accepted,
    /// `Accepted`: the spec breaks a rule that involves no other object.
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
    /// `Accepted`: the pool's default class belongs to another pool.
    ClassInOtherPool,
    /// `Accepted`: the tree would be deeper than a node can hold.
    TooDeep,
    /// `Accepted`: there would be more classes than a node can hold.
    TooMany,
    /// `Accepted`: the rates under a parent would exceed the parent's.
    RateOverParent,
    /// `Accepted`: the pool's rate would exceed what its sources provide.
    RateOverSources,
    /// `Accepted`: a rate exceeds the ceil beside it.
    RateOverCeil,
    /// `Accepted`: `perVM` or `perNamespace` exceeds the class's rate.
    RateOverClass,
    /// `Accepted`: `maxVMs` times `perVM.rate` exceeds the class's rate.
    VmsOverRate,
    /// `Accepted`: the output requires a noise source and the pool has none.
    NoNoiseSource,
    /// `Accepted`: more healthy sources are required than the pool has.
    TooFewSources,
    /// `Accepted`, in the message of an accepted spec: a bucket holds less than its rate needs.
    BurstTooSmall,
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
    /// `Degraded`: stretched bytes are served instead of what is promised.
    ServingStretched,
    /// `Degraded`: nothing is served, because less than promised could be.
    Holding,
    /// `Programmed`: every selected node runs it.
    Programmed,
    /// `Programmed`: no node is selected.
    NoNodes,
    /// `Programmed`: some node has not applied it yet.
    NodesPending,
    /// `Programmed`: some node refused it.
    NodesRefused,
    /// `Programmed`: some node cannot be reached.
    NodesUnreachable,
    /// `Ready`: the spec is refused, and the last accepted one is in effect, if any.
    NotAccepted,
    /// `Ready`: the pool of the class is not ready.
    PoolNotReady,
}

impl ConditionType {
    /// The word, as in the API.
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

// Not an enum in the schema: a version that knows fewer words must be able to read and write the status.
fn word(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z]+$" })
}
