//! The plan: every node's configuration, and the decision on every object.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::{Accepted, Assured, ClassEffective, EntropyClassSpec, EntropyPoolSpec, PoolEffective, Rate};
use delivery::{ClassConfig, NodeConfig, PoolConfig};

use crate::admit::{Rejections, Resolved};
use crate::budget::{Commitment, Parent};
use crate::bursts;
use crate::desired::{DesiredSpec, DesiredSpecs};
use crate::effective;
use crate::node::{PoolDraft, configs};
use crate::rejection::Rejection;
use crate::rules::{self, SpecRules};
use crate::snapshot::ClusterSnapshot;

/// What every node serves, and the decision on every object, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Nodes that serve the same share one configuration.
    pub nodes: BTreeMap<String, Arc<NodeConfig>>,
    pub pools: BTreeMap<String, PoolPlan>,
    pub classes: BTreeMap<String, ClassPlan>,
}

pub type PoolPlan = ObjectPlan<EntropyPoolSpec, PoolEffective>;
pub type ClassPlan = ObjectPlan<EntropyClassSpec, ClassEffective>;

/// The decision on one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPlan<Spec, Effective> {
    /// The `metadata.generation` that the decision is about.
    pub generation: i64,
    /// Whether the newest spec is accepted, and if not, every rule it breaks.
    pub accepted: Result<(), Vec<Rejection>>,
    /// The last accepted spec, to be stored in `status.accepted` and passed in with the next snapshot. It runs,
    /// unless `standing_problems` says otherwise.
    pub accepted_spec: Option<Accepted<Spec>>,
    /// The figures in effect on the node that may promise the least; `None` if the object does not run.
    pub effective: Option<Effective>,
    /// The promised and the available part of the rate, likewise.
    pub assured: Option<Assured>,
    /// The number of nodes that should run the object.
    pub nodes: usize,
    /// Problems that no edit of this object has caused: its parent was deleted, or nodes were added that share its
    /// source. They revoke nothing.
    pub standing_problems: Vec<Rejection>,
    /// What the running spec may not mean, and is served as it is written.
    pub warnings: Vec<Rejection>,
}

impl Plan {
    /// Every refused edit, pools first, by name.
    pub fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        let pools = self.pools.values().filter_map(|pool| pool.accepted.as_ref().err());
        let classes = self.classes.values().filter_map(|class| class.accepted.as_ref().err());
        pools.chain(classes).flatten()
    }

    /// Every problem that no edit of its object has caused, pools first, by name.
    pub fn standing_problems(&self) -> impl Iterator<Item = &Rejection> {
        let pools = self.pools.values().flat_map(|pool| &pool.standing_problems);
        pools.chain(self.classes.values().flat_map(|class| &class.standing_problems))
    }
}

impl Plan {
    /// Every warning about a running spec, pools first, by name.
    pub fn warnings(&self) -> impl Iterator<Item = &Rejection> {
        let pools = self.pools.values().flat_map(|pool| &pool.warnings);
        pools.chain(self.classes.values().flat_map(|class| &class.warnings))
    }
}

pub(crate) fn build(desired: &DesiredSpecs<'_>, resolved: &Resolved<'_>, snapshot: &ClusterSnapshot) -> Plan {
    let tree = &resolved.tree;
    let draft = |&name| Some((name, PoolDraft::of(tree, name, &snapshot.namespaces)?));
    let drafts: BTreeMap<_, _> = tree.pools.keys().filter_map(draft).collect();
    let smallest: BTreeMap<_, _> =
        drafts.iter().map(|(name, draft)| (*name, (draft.smallest(), draft.node_count()))).collect();
    let classes = smallest.iter().flat_map(|(pool, (config, _))| {
        config.classes.iter().map(|class| ((*pool, class.name.as_str()), class))
    });
    let builder = PlanBuilder { desired, resolved, smallest: &smallest, classes: classes.collect() };
    Plan {
        nodes: configs(&drafts, snapshot.nodes.keys().cloned(), snapshot.pod_info_on_mount),
        pools: desired
            .pools
            .iter()
            .map(|candidate| (candidate.name.to_owned(), builder.pool(candidate)))
            .collect(),
        classes: desired
            .classes
            .iter()
            .map(|candidate| (candidate.name.to_owned(), builder.class(candidate)))
            .collect(),
    }
}

struct PlanBuilder<'r, 'a> {
    desired: &'r DesiredSpecs<'a>,
    resolved: &'r Resolved<'a>,
    /// By pool: its configuration on the node that may promise the least, and the number of nodes that run it.
    smallest: &'r BTreeMap<&'a str, (PoolConfig, usize)>,
    /// The classes of these, by the names of pool and class.
    classes: HashMap<(&'r str, &'r str), &'r ClassConfig>,
}

impl<'a> PlanBuilder<'_, 'a> {
    fn pool(&self, candidate: &DesiredSpec<'a, EntropyPoolSpec>) -> PoolPlan {
        let mut object = self.object(candidate, &self.resolved.rejected_pools);
        let running = self.resolved.tree.pools.get(candidate.name).map(|pool| pool.layout.spec);
        if let (Some(spec), Some((config, nodes))) = (running, self.smallest.get(candidate.name)) {
            object.nodes = *nodes;
            object.effective = Some(effective::pool_status(spec, &config.shape));
            object.warnings = bursts::of_pool(candidate.name, spec, &config.shape);
            object.assured = Some(self.assured(Parent::Pool(candidate.name), config.shape.rate.0));
        }
        object
    }

    fn class(&self, candidate: &DesiredSpec<'a, EntropyClassSpec>) -> ClassPlan {
        let mut object = self.object(candidate, &self.resolved.rejected_classes);
        let running = self.resolved.tree.classes.get(candidate.name);
        let pool = running.and_then(|spec| Some((spec, self.smallest.get(&*spec.pool)?)));
        if let Some((spec, (_, nodes))) = pool {
            let config = self.classes.get(&(&*spec.pool, candidate.name)).copied();
            object.nodes = *nodes;
            object.warnings =
                config.map(|config| bursts::of_class(candidate.name, spec, config)).unwrap_or_default();
            object.effective = config.map(|config| effective::class_status(spec, config));
            object.assured = config.map(|it| self.assured(Parent::Class(candidate.name), it.shape.rate.0));
        }
        object
    }

    fn object<S: SpecRules, E>(
        &self,
        candidate: &DesiredSpec<'a, S>,
        refused: &Rejections<'a>,
    ) -> ObjectPlan<S, E> {
        let before = self.accepted_before(candidate);
        let rejections = refused.get(candidate.name).filter(|_| candidate.is_new() || before.is_none());
        let accepted = || Accepted { generation: candidate.generation, spec: candidate.spec.clone() };
        ObjectPlan {
            generation: candidate.generation,
            accepted: rejections.map_or(Ok(()), |rejections| Err(rejections.clone())),
            accepted_spec: if rejections.is_some() { before.cloned() } else { Some(accepted()) },
            effective: None,
            assured: None,
            nodes: 0,
            standing_problems: self.standing_problems(candidate.name, before),
            warnings: Vec::new(),
        }
    }

    /// The spec accepted before, unless its pool or parent was deleted and created again and no longer has room
    /// for it. If it were kept, it would be inserted without a check the next time.
    fn accepted_before<S: SpecRules>(&self, candidate: &DesiredSpec<'a, S>) -> Option<&'a Accepted<S>> {
        let tree = &self.resolved.tree;
        let runs = S::running(tree, candidate.name).is_some();
        candidate.accepted.filter(|accepted| runs || !accepted.spec.has_parent(tree))
    }

    /// The problems of the running spec; where none runs, why the accepted spec does not.
    fn standing_problems<S: SpecRules>(
        &self,
        name: &'a str,
        accepted: Option<&'a Accepted<S>>,
    ) -> Vec<Rejection> {
        let tree = &self.resolved.tree;
        match (S::running(tree, name), accepted) {
            (Some(running), _) => rules::check_running(tree, self.desired, name, running),
            (None, Some(accepted)) => rules::check_edit(tree, self.desired, name, &accepted.spec),
            (None, None) => Vec::new(),
        }
    }

    fn assured(&self, parent: Parent<'a>, limit: u64) -> Assured {
        let promised = self.resolved.tree.budget.get(parent).map_or(0, Commitment::sum);
        let text = |bytes| Rate::from_bytes_per_day(bytes).to_string();
        Assured { promised: text(promised), available: text(limit.saturating_sub(promised)) }
    }
}
