//! VMs, and why they wait.

use serde::Serialize;

use super::{Counters, Level, Shape, Span};

/// One VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vm {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) pool: String,
    pub(crate) class: String,
    pub(crate) socket: String,
    pub(crate) client: Client,
    pub(crate) connections: u32,
    pub(crate) owed: u64,
    /// For how long; `null` is not waiting.
    #[serde(rename = "waitingSeconds")]
    pub(crate) waiting: Option<Span>,
    pub(crate) binding: Option<Binding>,
    #[serde(flatten)]
    pub(crate) shape: Shape,
    pub(crate) level: Level,
    pub(crate) counters: Counters,
    /// Bytes it was sent unsolicited.
    pub(crate) unsolicited: u64,
    pub(crate) limit_hits: LimitHits,
}

/// How often a limit on what a VM may do has held it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitHits {
    pub(crate) delayed: u64,
    pub(crate) replaced: u64,
    pub(crate) unanswered: u64,
    pub(crate) flooding: u64,
    pub(crate) stalled: u64,
    pub(crate) garbage: u64,
    pub(crate) deferred: u64,
    pub(crate) saturated: u64,
}

/// Who speaks on a VM's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Client {
    Qemu,
    Egd,
}

/// The limit that holds a VM back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Binding {
    pub(crate) limit: Limit,
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    /// For how long.
    #[serde(rename = "forSeconds")]
    pub(crate) time: Span,
    /// What the pool serves, where it is the pool's sources.
    pub(crate) serving: Option<Serving>,
    /// Why it serves no more.
    pub(crate) message: Option<String>,
}

/// What a pool serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Serving {
    Starting,
    Promised,
    Degraded,
    Held,
}

/// Why a VM's requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Limit {
    Rate,
    Ceil,
    Supply,
    Peer,
}

/// What a node of the tree stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum NodeKind {
    Pool,
    Class,
    Namespace,
    Vm,
}

/// One node on the way from a VM's leaf to the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) shape: Shape,
    pub(crate) level: Level,
    pub(crate) counters: Counters,
}

/// All there is to say about one VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    pub(crate) vm: Vm,
    /// From its leaf to the pool.
    pub(crate) path: Vec<Step>,
}
