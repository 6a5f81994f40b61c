//! What the sources of a pool yield on each node, after conditioning.

use std::collections::{BTreeMap, BTreeSet};

use api::{EntropyPoolSpec, HealthTest, Output, Rate, Source, selects};

use crate::snapshot::ClusterNode;

/// The sources of a pool that a node uses, as indices into the spec.
pub(crate) type SourceSet = Vec<usize>;

/// The nodes that run a pool, and the sources that each of them uses.
#[derive(Debug)]
pub(crate) struct PoolLayout<'a> {
    pub(crate) spec: &'a EntropyPoolSpec,
    /// The nodes that can serve the pool.
    pub(crate) nodes: BTreeMap<&'a str, SourceSet>,
    /// The selected nodes that cannot serve the pool, because they have too few sources for its output.
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
    pub(crate) fn rate_of(&self, sources: &SourceSet) -> Option<u64> {
        Some(self.yield_of(sources)?.bytes)
    }

    /// What the sources yield while all of them are healthy; `None` if there is no known bound.
    ///
    /// `Stretched` output has none. Otherwise only the lowest tier counts, since a higher one serves in its place
    /// and not beside it.
    fn yield_of(&self, sources: &SourceSet) -> Option<Yield> {
        let credited = || sources.iter().filter(|&&index| is_credited(&self.spec.sources[index]));
        let tier = credited().map(|&index| self.spec.sources[index].tier).min()?;
        let serving: SourceSet =
            credited().copied().filter(|&index| self.spec.sources[index].tier == tier).collect();
        match self.spec.output {
            Output::Stretched => None,
            Output::Raw => {
                let mut samples = serving.iter().map(|&index| self.samples(index));
                let sum = samples.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))?;
                Some(Yield { bytes: sum, slowest: None })
            }
            Output::FullEntropy => self.conditioned(&serving),
        }
    }

    /// Each block of 32 bytes takes an equal share of the 320 assessed bits (SP 800-90C: 256 and 64 more) from every one of
    /// these sources, and a sample is never split. So the slowest source bounds them all, and a source of unknown capacity
    /// may be slower still.
    fn conditioned(&self, sources: &SourceSet) -> Option<Yield> {
        let share = 320_000_usize.div_ceil(sources.len()) as u64;
        let of_source = |&index: &usize| {
            let thousandths = self.spec.sources[index].min_entropy_per_byte.as_ref()?.thousandths();
            let slowest = Slowest { source: index, samples: share.div_ceil(thousandths.into()) };
            // Of 32,769 blocks, one reseeds the generator that the others are combined with.
            let numerator = u128::from(self.samples(index)?) * 32 * 32_768;
            let bytes = numerator / (u128::from(slowest.samples) * 32_769);
            Some(Yield { bytes: u64::try_from(bytes).unwrap_or(u64::MAX), slowest: Some(slowest) })
        };
        sources.iter().filter_map(of_source).min_by_key(|it| it.bytes)
    }

    /// The bytes a day that pass a source's health tests on each node; `None` if that is unknown.
    fn samples(&self, source: usize) -> Option<u64> {
        let capacity = self.capacity(source)?;
        let tests = &self.spec.sources[source].health_tests;
        // Of 1,250 good blocks, one fails by chance (FIPS 140-2), and is discarded.
        Some(if tests.contains(&HealthTest::Fips1402) {
            capacity - capacity.div_ceil(1000)
        } else {
            capacity
        })
    }

    /// The distinct sets of sources that nodes use. Without a node, one set of all sources: what a node would use
    /// that has every source to itself.
    pub(crate) fn source_sets(&self) -> BTreeSet<SourceSet> {
        if self.nodes.is_empty() {
            return BTreeSet::from([(0..self.spec.sources.len()).collect()]);
        }
        self.nodes.values().cloned().collect()
    }

    /// The least that the sources yield on any node; `None` if it is unknown on all nodes.
    pub(crate) fn min_yield(&self) -> Option<Yield> {
        self.source_sets().iter().filter_map(|sources| self.yield_of(sources)).min_by_key(|it| it.bytes)
    }
}

/// What sources yield together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yield {
    /// Bytes a day.
    pub(crate) bytes: u64,
    /// The source that bounds it, where they are conditioned.
    pub(crate) slowest: Option<Slowest>,
}

/// The source that bounds what is made of several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowest {
    /// Its index in the spec.
    pub(crate) source: usize,
    /// How many of its bytes go into 32 bytes.
    pub(crate) samples: u64,
}

/// Whether the output may rest on the source, so that it counts towards `minHealthySources`.
pub(crate) fn counts(output: Output, source: &Source) -> bool {
    output == Output::Stretched || is_credited(source)
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
    let counted = sources.iter().filter(|&&source| counts(spec.output, &spec.sources[source])).count();
    counted >= usize::from(spec.min_healthy_sources.max(1))
}
