//! Pools and classes.

use serde::Serialize;

use super::{Counters, PoolOutput, Rate, Shape};

/// One pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pool {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) shape: Shape,
    pub(crate) default_class: String,
    pub(crate) classes: u32,
    pub(crate) vms: u32,
    pub(crate) waiting: u32,
    pub(crate) promised: Rate,
    pub(crate) output: PoolOutput,
    pub(crate) sources: u32,
    pub(crate) sources_healthy: u32,
    pub(crate) counters: Counters,
    pub(crate) closed: bool,
}

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Class {
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    #[serde(flatten)]
    pub(crate) shape: Shape,
    pub(crate) prio: u32,
    pub(crate) weight: u32,
    #[serde(rename = "perVM")]
    pub(crate) per_vm: Shape,
    /// Those of the classes below it included, as in `waiting`.
    pub(crate) vms: u32,
    /// In the class itself.
    pub(crate) members: u32,
    #[serde(rename = "maxVMs")]
    pub(crate) max_vms: Option<u32>,
    pub(crate) promised: Rate,
    pub(crate) waiting: u32,
    pub(crate) counters: Counters,
    pub(crate) closed: bool,
}
