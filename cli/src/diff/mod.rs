//! What an edit would change: the configurations of all nodes before and after it, compared.

mod effect;
mod render;

use std::collections::BTreeMap;

use agent::config_changes;
use delivery::NodeConfig;
use serde::Serialize;

pub(crate) use effect::DiffEffect;
pub(crate) use render::table;

/// An edit that nobody has made yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ManifestDiff {
    /// What would be otherwise, pools by name, each before its classes.
    pub(crate) changes: Vec<DiffLine>,
    /// A sentence for each rule that would be broken. What is refused changes nothing.
    pub(crate) refused: Vec<String>,
    /// A sentence for each thing worth knowing.
    pub(crate) noted: Vec<String>,
}

/// What would become of one pool or class on some nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DiffLine {
    pub(crate) pool: String,
    /// `null` is the pool itself.
    pub(crate) class: Option<String>,
    pub(crate) effect: DiffEffect,
    /// As `rate 64Ki/s -> 32Ki/s`; empty for what comes or goes.
    pub(crate) fields: Vec<String>,
    /// On which nodes; the same on each.
    pub(crate) nodes: Vec<String>,
}

impl ManifestDiff {
    /// Compares each node's configuration before and after.
    pub(crate) fn of<'a>(nodes: impl IntoIterator<Item = (&'a str, &'a NodeConfig, &'a NodeConfig)>) -> Self {
        let mut lines = BTreeMap::<_, Vec<String>>::new();
        for (node, old, new) in nodes {
            for change in config_changes(old, new) {
                let effect = DiffEffect::of(old, new, &change);
                let key = (change.pool, change.class, effect, change.what.fields());
                lines.entry(key).or_default().push(node.to_owned());
            }
        }
        let line = |((pool, class, effect, fields), nodes)| DiffLine { pool, class, effect, fields, nodes };
        Self { changes: lines.into_iter().map(line).collect(), ..Self::default() }
    }
}
