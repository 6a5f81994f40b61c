//! What the sources of a pool yield on each node, after conditioning.

use std::collections::{BTreeMap, BTreeSet};

use api::{EntropyPoolSpec, Output, Rate, Source, selects};

use crate::snapshot::ClusterNode;

/// The sources of a pool that a node uses, as indices into the spec.
pub(crate) type SourceSet = Vec<usize>;

/// The nodes that run a pool, and the sources that each of them uses.
#[derive(Debug)]
pub(crate) struct PoolLayout<'a> {
    pub(crate) spec: &'a EntropyPoolSpec,
    /// The nodes that can serve the pool.
    pub(crate) nodes: BTreeMap<&'a str, SourceSet>,
    /// The selected nodes that cannot serve the pool, because they have no source for its output.
    pub(crate) nodes_without_source: Vec<&'a str>,
    /// For each source, the number of nodes that use it; at least 1, since it is a divisor.
    node_counts: Vec<u64>,
}

impl<'a> PoolLayout<'a> {
    pub(crate) fn of(spec: &'a EntropyPoolSpec, nodes: &'a BTreeMap<String, ClusterNode>) -> Self {
        let selected = nodes.iter().filter(|(_, node)| selects(&spec.node_selector, &node.labels));
        let sets = selected.map(|(name, node)| (name.as_str(), sources_on(spec, node)));
        let (serving, without_source): (BTreeMap<_, _>, BTreeMap<_, _>) =
            sets.partition(|(_, sources)| can_serve(spec, sources));
        let mut node_counts = vec![0; spec.sources.len()];
        for source in serving.values().flatten() {
            node_counts[*source] += 1;
        }
        let node_counts = node_counts.into_iter().map(|count: u64| count.max(1)).collect();
        let nodes_without_source = without_source.into_keys().collect();
        Self { spec, nodes: serving, nodes_without_source, node_counts }
    }

    /// What one source yields on each node that uses it, in bytes a day; `None` if that is unknown.
    pub(crate) fn capacity(&self, source: usize) -> Option<u64> {
        let capacity = self.spec.sources[source].capacity.as_ref()?;
        let per_node = capacity.per_node.as_ref().map(Rate::bytes_per_day);
        // Rounded down: a fraction of a byte a day is not promised.
        let shared = capacity.shared.as_ref().map(|rate| rate.bytes_per_day() / self.node_counts[source]);
        per_node.or(shared)
    }

    /// What a node that uses these sources may promise, in bytes a day; `None` if there is no known bound.
    ///
    /// `Stretched` output has none. Otherwise only the lowest tier counts, since a higher one serves in its place
    /// and not beside it, and one source of unknown capacity makes the sum unknown.
    pub(crate) fn rate_of(&self, sources: &SourceSet) -> Option<u64> {
        let credited = || {
            sources
                .iter()
                .map(|&index| (index, &self.spec.sources[index]))
                .filter(|(_, source)| is_credited(source))
        };
        let tier = credited().map(|(_, source)| source.tier).min()?;
        let serving = credited().filter(|(_, source)| source.tier == tier);
        serving
            .map(|(index, source)| conditioned(self.spec.output, source, self.capacity(index)?))
            .try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
    }

    /// The distinct sets of sources that nodes use. Without a node, one set of all sources: what a node would use
    /// that has every source to itself.
    pub(crate) fn source_sets(&self) -> BTreeSet<SourceSet> {
        if self.nodes.is_empty() {
            return BTreeSet::from([(0..self.spec.sources.len()).collect()]);
        }
        self.nodes.values().cloned().collect()
    }

    /// The least that the sources yield on any node, in bytes a day; `None` if it is unknown on all nodes.
    pub(crate) fn min_rate(&self) -> Option<u64> {
        self.source_sets().iter().filter_map(|sources| self.rate_of(sources)).min()
    }
}

/// Whether bytes of the source are credited as entropy. The kernel's generator is not a noise source, and a source
/// without an assessed min-entropy is mixed in without credit.
pub(crate) fn is_credited(source: &Source) -> bool {
    source.kernel.is_none() && source.min_entropy_per_byte.is_some()
}

fn sources_on(spec: &EntropyPoolSpec, node: &ClusterNode) -> SourceSet {
    let on_node = |(_, source): &(usize, &Source)| selects(&source.node_selector, &node.labels);
    spec.sources.iter().enumerate().filter(on_node).map(|(index, _)| index).collect()
}

fn can_serve(spec: &EntropyPoolSpec, sources: &SourceSet) -> bool {
    match spec.output {
        Output::Stretched => !sources.is_empty(),
        Output::FullEntropy | Output::Raw => sources.iter().any(|&source| is_credited(&spec.sources[source])),
    }
}

/// What is left of a source's bytes. 320 assessed bits make 32 bytes, so `bits per byte / 10` of them
/// (SP 800-90C); rounded down, so that no more is promised than there is.
fn conditioned(output: Output, source: &Source, capacity: u64) -> Option<u64> {
    let tenths = u64::from(source.min_entropy_per_byte.as_ref()?.tenths());
    match output {
        Output::Stretched => None,
        Output::Raw => Some(capacity),
        Output::FullEntropy => Some(capacity.saturating_mul(tenths) / 100),
    }
}
