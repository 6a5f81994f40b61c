//! The configuration of one node.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{CpuInstruction, EntropyClassSpec, EntropyPoolSpec, SourceKind};
use delivery::{ClassConfig, Namespaces, NodeConfig, PoolConfig, Shape, SourceConfig};

use crate::budget::{Commitment, Parent};
use crate::effective;
use crate::namespaces;
use crate::resolved_tree::ResolvedTree;
use crate::snapshot::Labels;
use crate::supply::{PoolLayout, SourceSet};

/// The parts of a pool's configuration that are the same on every node.
pub(crate) struct PoolDraft<'w, 'a> {
    name: &'a str,
    layout: &'w PoolLayout<'a>,
    /// Parents before children, siblings by name.
    classes: Vec<(&'a str, &'a EntropyClassSpec, Namespaces)>,
    namespaces: Namespaces,
}

/// The configuration of every node. Nodes with the same pools and sources share one.
pub(crate) fn configs(
    drafts: &BTreeMap<&str, PoolDraft<'_, '_>>,
    names: impl Iterator<Item = String>,
    pod_info_on_mount: Option<bool>,
) -> BTreeMap<String, Arc<NodeConfig>> {
    let mut shared: BTreeMap<Vec<(&str, &SourceSet)>, Arc<NodeConfig>> = BTreeMap::new();
    let mut configs = BTreeMap::new();
    for name in names {
        let pools = drafts.values().filter_map(|draft| Some((draft.name, draft.layout.nodes.get(&*name)?)));
        let config = shared.entry(pools.collect()).or_insert_with_key(|pools| {
            let pools = pools.iter().map(|(pool, sources)| drafts[pool].config(sources)).collect();
            Arc::new(NodeConfig { pools, pod_info_on_mount })
        });
        configs.insert(name, Arc::clone(config));
    }
    configs
}

impl<'w, 'a> PoolDraft<'w, 'a> {
    pub(crate) fn of(
        tree: &'w ResolvedTree<'a>,
        name: &'a str,
        all: &BTreeMap<String, Labels>,
    ) -> Option<Self> {
        let layout = &tree.pools.get(name)?.layout;
        let namespaces = namespaces::of_pool(&layout.spec.allowed_namespaces, all);
        let classes = in_order(tree, name)
            .map(|(class, spec)| {
                (class, spec, namespaces::of_class(&spec.allowed_namespaces, &namespaces, all))
            })
            .collect();
        Some(Self { name, layout, classes, namespaces })
    }

    /// The pool on a node that may promise the least: what the status of the pool and its classes shows.
    pub(crate) fn smallest(&self) -> PoolConfig {
        let sets = self.layout.source_sets().into_iter().map(|sources| (self.root(&sources).rate, sources));
        let (_, sources) = sets.min().unwrap_or_default();
        self.config(&sources)
    }

    /// The number of nodes that run the pool.
    pub(crate) fn node_count(&self) -> usize {
        self.layout.nodes.len()
    }

    fn root(&self, sources: &SourceSet) -> Shape {
        effective::root(self.layout.spec, self.layout.rate_of(sources))
    }

    /// The pool on a node that uses these sources.
    fn config(&self, sources: &SourceSet) -> PoolConfig {
        let spec = self.layout.spec;
        let shape = self.root(sources);
        let mut classes = self.class_configs(&shape);
        let mut default_class = spec.default_class.clone().unwrap_or_default();
        if let Some(namespaces) = self.implicit_namespaces() {
            ClassConfig::IMPLICIT.clone_into(&mut default_class);
            classes.insert(0, self.implicit_class(&shape, namespaces));
        }
        PoolConfig {
            name: self.name.to_owned(),
            sources: self.source_configs(sources),
            output: output(spec),
            min_healthy_sources: spec.min_healthy_sources.into(),
            on_source_failure: on_source_failure(spec),
            shape,
            default_class,
            classes,
            namespaces: self.namespaces.clone(),
        }
    }

    fn class_configs(&self, root: &Shape) -> Vec<ClassConfig> {
        let mut shapes: BTreeMap<&str, Shape> = BTreeMap::new();
        let mut configs = Vec::with_capacity(self.classes.len() + 1);
        for (name, spec, namespaces) in &self.classes {
            let parent = spec.parent.as_deref().and_then(|parent| shapes.get(parent)).unwrap_or(root);
            let config = effective::class(name, spec, parent, namespaces.clone());
            shapes.insert(name, config.shape);
            configs.push(config);
        }
        configs
    }

    /// The namespaces of the implicit class, if the pool needs one in place of `defaultClass`.
    ///
    /// Where the named default class was deleted, no namespace may use the implicit class: an operator chose the
    /// limits of the named one, and the implicit class has none.
    fn implicit_namespaces(&self) -> Option<Namespaces> {
        match &self.layout.spec.default_class {
            None => Some(self.namespaces.clone()),
            Some(name) if self.classes.iter().any(|(class, ..)| class == name) => None,
            Some(_) => Some(namespaces::none()),
        }
    }

    fn implicit_class(&self, root: &Shape, namespaces: Namespaces) -> ClassConfig {
        let defaults = EntropyClassSpec::new(self.name);
        effective::class(ClassConfig::IMPLICIT, &defaults, root, namespaces)
    }

    fn source_configs(&self, sources: &SourceSet) -> Vec<SourceConfig> {
        let mut sources: Vec<_> = sources.iter().filter_map(|&index| self.source_config(index)).collect();
        sources.sort_by(|a, b| (a.tier, &a.name).cmp(&(b.tier, &b.name)));
        sources
    }

    fn source_config(&self, index: usize) -> Option<SourceConfig> {
        let source = &self.layout.spec.sources[index];
        // The kernel's generator is not a noise source: its output would pass any test, which proves nothing.
        let tested = source.kernel.is_none();
        Some(SourceConfig {
            name: source.name.clone(),
            kind: kind(source.kind()?),
            tier: source.tier.into(),
            capacity: self.layout.capacity(index).map(delivery::BytesPerDay),
            min_entropy_thousandths: source.min_entropy_per_byte.as_ref().map(api::MinEntropy::thousandths),
            credit_nested: source.credits_nested(),
            health_tests: source.health_tests.iter().filter(|_| tested).copied().map(health_test).collect(),
        })
    }
}

/// The classes of a pool, parents before children, siblings by name.
fn in_order<'a>(
    tree: &ResolvedTree<'a>,
    pool: &'a str,
) -> impl Iterator<Item = (&'a str, &'a EntropyClassSpec)> {
    let below = |parent| tree.budget.get(parent).into_iter().flat_map(Commitment::classes).rev();
    let mut stack: Vec<&str> = below(Parent::Pool(pool)).collect();
    std::iter::from_fn(move || {
        let class = stack.pop()?;
        stack.extend(below(Parent::Class(class)));
        Some((class, tree.classes[class]))
    })
}

fn output(spec: &EntropyPoolSpec) -> delivery::Output {
    match spec.output {
        api::Output::Stretched => delivery::Output::Stretched,
        api::Output::FullEntropy => delivery::Output::FullEntropy,
        api::Output::Raw => delivery::Output::Raw,
    }
}

fn on_source_failure(spec: &EntropyPoolSpec) -> delivery::OnSourceFailure {
    match spec.on_source_failure {
        api::OnSourceFailure::Hold => delivery::OnSourceFailure::Hold,
        api::OnSourceFailure::Degrade => delivery::OnSourceFailure::Degrade,
    }
}

fn health_test(test: api::HealthTest) -> delivery::HealthTest {
    match test {
        api::HealthTest::Sp80090b => delivery::HealthTest::Sp80090b,
        api::HealthTest::Fips1402 => delivery::HealthTest::Fips1402,
    }
}

fn kind(kind: SourceKind<'_>) -> delivery::SourceKind {
    match kind {
        SourceKind::Kernel => delivery::SourceKind::Kernel,
        SourceKind::Cpu(CpuInstruction::Rdseed) => {
            delivery::SourceKind::Cpu { instruction: "RDSEED".to_owned() }
        }
        SourceKind::Device(path) => delivery::SourceKind::Device { path: path.to_owned() },
        SourceKind::EgdUnix(path) => delivery::SourceKind::EgdUnix { path: path.to_owned() },
        SourceKind::EgdTcp(address) => delivery::SourceKind::EgdTcp { address: address.to_owned() },
        SourceKind::File(path) => delivery::SourceKind::File { path: path.to_owned() },
    }
}
