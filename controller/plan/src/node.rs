//! The configuration of one node.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{EntropyClassSpec, EntropyPoolSpec, Instruction, SourceKind};
use delivery::{ClassConfig, Namespaces, NodeConfig, PoolConfig, Shape, SourceConfig};

use crate::budget::{Commitment, Holder};
use crate::effective;
use crate::namespaces;
use crate::resolved_pools::ResolvedPools;
use crate::snapshot::Labels;
use crate::supply::{Layout, Use};

/// What of a pool is the same on every node.
pub(crate) struct PoolDraft<'w, 'a> {
    name: &'a str,
    layout: &'w Layout<'a>,
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
    let mut shared: BTreeMap<Vec<(&str, &Use)>, Arc<NodeConfig>> = BTreeMap::new();
    let mut configs = BTreeMap::new();
    for name in names {
        let used = drafts.values().filter_map(|draft| Some((draft.name, draft.layout.nodes.get(&*name)?)));
        let config = shared.entry(used.collect()).or_insert_with_key(|used| {
            let pools = used.iter().map(|(pool, used)| drafts[pool].config(used)).collect();
            Arc::new(NodeConfig { pools, pod_info_on_mount })
        });
        configs.insert(name, Arc::clone(config));
    }
    configs
}

impl<'w, 'a> PoolDraft<'w, 'a> {
    pub(crate) fn of(
        world: &'w ResolvedPools<'a>,
        name: &'a str,
        all: &BTreeMap<String, Labels>,
    ) -> Option<Self> {
        let layout = &world.pools.get(name)?.layout;
        let namespaces = namespaces::of_pool(&layout.spec.allowed_namespaces, all);
        let classes = order(world, name)
            .map(|(class, spec)| {
                (class, spec, namespaces::of_class(&spec.allowed_namespaces, &namespaces, all))
            })
            .collect();
        Some(Self { name, layout, classes, namespaces })
    }

    /// The pool on a node that may promise the least: what the status of pool and classes shows.
    pub(crate) fn least(&self) -> PoolConfig {
        let configs = self.layout.uses().into_iter().map(|used| (self.root(&used).rate, used));
        let (_, used) = configs.min().unwrap_or_default();
        self.config(&used)
    }

    /// How many nodes run the pool.
    pub(crate) fn selected(&self) -> usize {
        self.layout.nodes.len()
    }

    fn root(&self, used: &Use) -> Shape {
        effective::root(self.layout.spec, self.layout.gives(used))
    }

    /// The pool on a node that uses these of its sources.
    fn config(&self, used: &Use) -> PoolConfig {
        let spec = self.layout.spec;
        let shape = self.root(used);
        let mut classes = self.class_configs(&shape);
        let default = self.default_class();
        let default_class = default.as_ref().map_or_else(
            || spec.default_class.clone().unwrap_or_default(),
            |_| ClassConfig::IMPLICIT.to_owned(),
        );
        classes.splice(0..0, default.map(|namespaces| self.implicit(&shape, namespaces)));
        PoolConfig {
            name: self.name.to_owned(),
            sources: self.sources(used),
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

    /// The namespaces of the implicit class, where one stands in for `defaultClass`.
    ///
    /// Where a default class was named and is gone, nobody may use the one that stands in: its limits were
    /// somebody's decision, and no limits are no substitute.
    fn default_class(&self) -> Option<Namespaces> {
        match &self.layout.spec.default_class {
            None => Some(self.namespaces.clone()),
            Some(name) if self.classes.iter().any(|(class, ..)| class == name) => None,
            Some(_) => Some(namespaces::none()),
        }
    }

    fn implicit(&self, root: &Shape, namespaces: Namespaces) -> ClassConfig {
        let every_default = EntropyClassSpec::new(self.name);
        effective::class(ClassConfig::IMPLICIT, &every_default, root, namespaces)
    }

    fn sources(&self, used: &Use) -> Vec<SourceConfig> {
        let mut sources: Vec<_> = used.iter().filter_map(|&place| self.source(place)).collect();
        sources.sort_by(|a, b| (a.tier, &a.name).cmp(&(b.tier, &b.name)));
        sources
    }

    fn source(&self, place: usize) -> Option<SourceConfig> {
        let source = &self.layout.spec.sources[place];
        // The kernel's generator is no noise source: its output would pass any test, and proves nothing.
        let tested = source.kernel.is_none();
        Some(SourceConfig {
            name: source.name.clone(),
            kind: kind(source.kind()?),
            tier: source.tier.into(),
            capacity: self.layout.capacity(place).map(delivery::BytesPerDay),
            min_entropy_tenths: source.min_entropy_per_byte.as_ref().map(api::MinEntropy::tenths),
            health_tests: source.health_tests.iter().filter(|_| tested).copied().map(health_test).collect(),
        })
    }
}

/// The classes of a pool, parents before children, siblings by name.
fn order<'a>(
    world: &ResolvedPools<'a>,
    pool: &'a str,
) -> impl Iterator<Item = (&'a str, &'a EntropyClassSpec)> {
    let below = |holder| world.held.of(holder).into_iter().flat_map(Commitment::classes).rev();
    let mut waiting: Vec<&str> = below(Holder::Pool(pool)).collect();
    std::iter::from_fn(move || {
        let class = waiting.pop()?;
        waiting.extend(below(Holder::Class(class)));
        Some((class, world.classes[class]))
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
        SourceKind::Cpu(Instruction::Rdseed) => {
            delivery::SourceKind::Cpu { instruction: "RDSEED".to_owned() }
        }
        SourceKind::Device(path) => delivery::SourceKind::Device { path: path.to_owned() },
        SourceKind::EgdUnix(path) => delivery::SourceKind::EgdUnix { path: path.to_owned() },
        SourceKind::EgdTcp(address) => delivery::SourceKind::EgdTcp { address: address.to_owned() },
        SourceKind::File(path) => delivery::SourceKind::File { path: path.to_owned() },
    }
}
