//! What the sources of a pool must be, and how much they can keep of its promise.

use std::collections::BTreeSet;

use api::{EntropyPoolSpec, Output, Reason};

use super::Finding;
use crate::budget::shown;
use crate::resolved_pools::PlacedPool;
use crate::supply::earns;

/// What the list of sources alone shows.
pub(super) fn of_spec(spec: &EntropyPoolSpec) -> Vec<Finding> {
    let mut found: Vec<_> = repeated(spec).collect();
    let wanted = usize::from(spec.min_healthy_sources);
    if wanted > spec.sources.len() {
        let message = format!(
            "{wanted} sources can never be healthy of the {} there are: write at most {}, or add sources",
            spec.sources.len(),
            spec.sources.len()
        );
        found.push(Finding::new(Reason::TooFewSources, "spec.minHealthySources", message));
    }
    if let Some(output) = unkept(spec) {
        let message = format!(
            "{output} needs a noise source, one with minEntropyPerByte, and this pool has none (the kernel's \
             generator is no noise source): add one, or write Stretched"
        );
        found.push(Finding::new(Reason::NoNoiseSource, "spec.output", message));
    }
    found
}

/// The promised rate beside what the sources give on every node.
pub(super) fn rate(pool: &PlacedPool<'_>) -> Option<Finding> {
    let rate = pool.layout.spec.rate.as_ref()?;
    let gives = pool.layout.least()?;
    let excess = rate.bytes_per_day().checked_sub(gives).filter(|excess| *excess > 0)?;
    let how = match pool.layout.spec.output {
        Output::FullEntropy => " after conditioning (capacity × minEntropyPerByte / 10)",
        Output::Stretched | Output::Raw => "",
    };
    let message = format!(
        "{rate} is more than the {given} that the sources give{where_}{how}: write at most {given}, or leave rate out",
        given = shown(gives),
        where_ = if pool.layout.nodes.len() > 1 { " on each node" } else { "" },
    );
    Some(Finding::new(Reason::RateOverSources, "spec.rate", message).by(excess, ""))
}

/// Nodes that are selected and have nothing to serve from.
pub(super) fn barren(pool: &PlacedPool<'_>) -> Vec<Finding> {
    let Some(first) = pool.layout.barren.first() else { return Vec::new() };
    let count = pool.layout.barren.len();
    let message = format!(
        "{count} of the selected nodes ({first}{more}) {have} no source for {output:?} output and {do_} not serve the \
         pool: give them one, or narrow nodeSelector",
        more = if count > 1 { ", …" } else { "" },
        have = if count > 1 { "have" } else { "has" },
        do_ = if count > 1 { "do" } else { "does" },
        output = pool.layout.spec.output,
    );
    vec![Finding::new(Reason::NoNoiseSource, "spec.nodeSelector", message)]
}

fn repeated(spec: &EntropyPoolSpec) -> impl Iterator<Item = Finding> {
    let mut seen = BTreeSet::new();
    let again: BTreeSet<&str> =
        spec.sources.iter().map(|source| &*source.name).filter(|name| !seen.insert(*name)).collect();
    again.into_iter().map(|name| {
        let message = format!("two sources are named {name}: give each its own name");
        Finding::new(Reason::InvalidSpec, format!("spec.sources[{name}].name"), message)
    })
}

/// The promise that no source of the pool can keep.
fn unkept(spec: &EntropyPoolSpec) -> Option<&'static str> {
    let output = match spec.output {
        Output::Stretched => return None,
        Output::FullEntropy => "FullEntropy",
        Output::Raw => "Raw",
    };
    (!spec.sources.iter().any(earns)).then_some(output)
}
