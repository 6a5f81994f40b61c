//! What the sources of a pool give on each node, after conditioning.

use std::collections::{BTreeMap, BTreeSet};

use api::{EntropyPoolSpec, Output, Rate, Source, selects};

use crate::snapshot::Node;

/// Which of a pool's sources a node uses, by their place in the spec.
pub(crate) type Use = Vec<usize>;

/// Which nodes run a pool, and with which of its sources.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    pub(crate) spec: &'a EntropyPoolSpec,
    /// The nodes that can serve.
    pub(crate) nodes: BTreeMap<&'a str, Use>,
    /// The nodes that are selected and can never serve: they have no source that the output can use.
    pub(crate) barren: Vec<&'a str>,
    /// For each source, how many nodes use it; never zero, so that it can divide.
    sharers: Vec<u64>,
}

impl<'a> Layout<'a> {
    pub(crate) fn of(spec: &'a EntropyPoolSpec, nodes: &'a BTreeMap<String, Node>) -> Self {
        let selected = nodes.iter().filter(|(_, node)| selects(&spec.node_selector, &node.labels));
        let uses = selected.map(|(name, node)| (name.as_str(), usable(spec, node)));
        let (serving, barren): (BTreeMap<_, _>, BTreeMap<_, _>) =
            uses.partition(|(_, used)| serves(spec, used));
        let mut sharers = vec![0; spec.sources.len()];
        serving.values().flatten().for_each(|source: &usize| sharers[*source] += 1);
        let sharers = sharers.into_iter().map(|count: u64| count.max(1)).collect();
        Self { spec, nodes: serving, barren: barren.into_keys().collect(), sharers }
    }

    /// What one source gives on each node that uses it, in bytes a day; nothing if that is unknown.
    pub(crate) fn capacity(&self, source: usize) -> Option<u64> {
        let capacity = self.spec.sources[source].capacity.as_ref()?;
        let per_node = capacity.per_node.as_ref().map(Rate::bytes_per_day);
        // Rounded down: a fraction of a byte a day is not promised to anyone.
        let shared = capacity.shared.as_ref().map(|rate| rate.bytes_per_day() / self.sharers[source]);
        per_node.or(shared)
    }

    /// What a node that uses these sources may promise, in bytes a day; nothing if there is no known bound.
    ///
    /// A generator's output has none. Otherwise only the lowest tier counts, since a higher one serves in its
    /// place and not beside it, and one source of unknown capacity makes the sum unknown.
    pub(crate) fn gives(&self, used: &Use) -> Option<u64> {
        let earning =
            || used.iter().map(|&place| (place, &self.spec.sources[place])).filter(|(_, s)| earns(s));
        let tier = earning().map(|(_, source)| source.tier).min()?;
        let serving = earning().filter(|(_, source)| source.tier == tier);
        serving
            .map(|(place, source)| conditioned(self.spec.output, source, self.capacity(place)?))
            .try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
    }

    /// The sets of sources that are used together on some node. With no node, all of them: what a node would
    /// use that has every source to itself.
    pub(crate) fn uses(&self) -> BTreeSet<Use> {
        if self.nodes.is_empty() {
            return BTreeSet::from([(0..self.spec.sources.len()).collect()]);
        }
        self.nodes.values().cloned().collect()
    }

    /// The least that the sources give on any node, in bytes a day; nothing if no node knows.
    pub(crate) fn least(&self) -> Option<u64> {
        self.uses().iter().filter_map(|used| self.gives(used)).min()
    }
}

/// Whether bytes of the source count as entropy. The kernel's generator is no noise source, and what nobody
/// assessed is mixed in without credit.
pub(crate) fn earns(source: &Source) -> bool {
    source.kernel.is_none() && source.min_entropy_per_byte.is_some()
}

fn usable(spec: &EntropyPoolSpec, node: &Node) -> Use {
    let here = |(_, source): &(usize, &Source)| selects(&source.node_selector, &node.labels);
    spec.sources.iter().enumerate().filter(here).map(|(place, _)| place).collect()
}

fn serves(spec: &EntropyPoolSpec, used: &Use) -> bool {
    match spec.output {
        Output::Stretched => !used.is_empty(),
        Output::FullEntropy | Output::Raw => used.iter().any(|&source| earns(&spec.sources[source])),
    }
}

/// What remains of a source's bytes. 320 assessed bits make 32 bytes, so `bits per byte / 10` of them
/// (SP 800-90C); rounded down, so that nothing is promised that is not there.
fn conditioned(output: Output, source: &Source, capacity: u64) -> Option<u64> {
    let tenths = u64::from(source.min_entropy_per_byte.as_ref()?.tenths());
    match output {
        Output::Stretched => None,
        Output::Raw => Some(capacity),
        Output::FullEntropy => Some(capacity.saturating_mul(tenths) / 100),
    }
}
