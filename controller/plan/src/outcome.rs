//! What a plan says.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Accepted, Assured, ClassEffective, EntropyClassSpec, EntropyPoolSpec, PoolEffective, Rate};
use delivery::{NodeConfig, PoolConfig};

use crate::admit::{Refused, Resolved};
use crate::budget::{Commitment, Holder};
use crate::desired::{DesiredSpec, DesiredSpecs};
use crate::node::{PoolDraft, configs};
use crate::rejection::Rejection;
use crate::rules::{self, Ruled};
use crate::snapshot::Snapshot;
use crate::status;

/// What every node serves, and a verdict on every object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// By node. Nodes that serve the same share one configuration.
    pub nodes: BTreeMap<String, Arc<NodeConfig>>,
    /// By pool.
    pub pools: BTreeMap<String, PoolPlan>,
    /// By class.
    pub classes: BTreeMap<String, ClassPlan>,
}

/// A pool in a plan.
pub type PoolPlan = ObjectPlan<EntropyPoolSpec, PoolEffective>;

/// A class in a plan.
pub type ClassPlan = ObjectPlan<EntropyClassSpec, ClassEffective>;

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPlan<Spec, Effective> {
    /// The `metadata.generation` that was looked at.
    pub generation: i64,
    /// Whether the newest spec is taken, and if not, every rule it breaks.
    pub accepted: Result<(), Vec<Rejection>>,
    /// The last spec that was taken, to be kept in `status.accepted` and handed in with the next snapshot. It
    /// is what runs, unless `standing` says otherwise.
    pub accepted_spec: Option<Accepted<Spec>>,
    /// The figures in force on the node that may promise the least; nothing if the object does not run.
    pub effective: Option<Effective>,
    /// What is promised of what may be, likewise.
    pub assured: Option<Assured>,
    /// How many nodes are to run the object.
    pub nodes: usize,
    /// What is wrong through no edit of this object: its parent was deleted, or nodes came that share its
    /// source. Nothing is taken back for it.
    pub rejected_now: Vec<Rejection>,
}

impl Plan {
    /// Every refused edit, pools first, by name.
    pub fn refusals(&self) -> impl Iterator<Item = &Rejection> {
        let pools = self.pools.values().filter_map(|pool| pool.accepted.as_ref().err());
        let classes = self.classes.values().filter_map(|class| class.accepted.as_ref().err());
        pools.chain(classes).flatten()
    }

    /// Everything that is wrong through no edit of the object it is told of, pools first, by name.
    pub fn standing(&self) -> impl Iterator<Item = &Rejection> {
        let pools = self.pools.values().flat_map(|pool| &pool.rejected_now);
        pools.chain(self.classes.values().flat_map(|class| &class.rejected_now))
    }
}

/// Writes down what was settled.
pub(crate) fn report(wishes: &DesiredSpecs<'_>, settled: &Resolved<'_>, snapshot: &Snapshot) -> Plan {
    let world = &settled.world;
    let draft = |&name| Some((name, PoolDraft::of(world, name, &snapshot.namespaces)?));
    let drafts: BTreeMap<_, _> = world.pools.keys().filter_map(draft).collect();
    let reporter = Reporter {
        wishes,
        settled,
        least: drafts.iter().map(|(name, draft)| (*name, (draft.least(), draft.selected()))).collect(),
    };
    Plan {
        nodes: configs(&drafts, snapshot.nodes.keys().cloned(), snapshot.pod_info_on_mount),
        pools: wishes.pools.iter().map(|wish| (wish.name.to_owned(), reporter.pool(wish))).collect(),
        classes: wishes.classes.iter().map(|wish| (wish.name.to_owned(), reporter.class(wish))).collect(),
    }
}

struct Reporter<'r, 'a> {
    wishes: &'r DesiredSpecs<'a>,
    settled: &'r Resolved<'a>,
    /// By pool: its configuration on the node that may promise the least, and how many nodes run it.
    least: BTreeMap<&'a str, (PoolConfig, usize)>,
}

impl<'a> Reporter<'_, 'a> {
    fn pool(&self, wish: &DesiredSpec<'a, EntropyPoolSpec>) -> PoolPlan {
        let mut object = self.object(wish, &self.settled.pools);
        let running = self.settled.world.pools.get(wish.name).map(|pool| pool.layout.spec);
        if let (Some(spec), Some((config, nodes))) = (running, self.least.get(wish.name)) {
            object.nodes = *nodes;
            object.effective = Some(status::pool_effective(spec, &config.shape));
            object.assured = Some(self.assured(Holder::Pool(wish.name), config.shape.rate.0));
        }
        object
    }

    fn class(&self, wish: &DesiredSpec<'a, EntropyClassSpec>) -> ClassPlan {
        let mut object = self.object(wish, &self.settled.classes);
        let running = self.settled.world.classes.get(wish.name);
        let pool = running.and_then(|spec| Some((spec, self.least.get(&*spec.pool)?)));
        if let Some((spec, (config, nodes))) = pool {
            let config = config.classes.iter().find(|class| class.name == wish.name);
            object.nodes = *nodes;
            object.effective = config.map(|config| status::class_effective(spec, config));
            object.assured = config.map(|it| self.assured(Holder::Class(wish.name), it.shape.rate.0));
        }
        object
    }

    fn object<S: Ruled, E>(&self, wish: &DesiredSpec<'a, S>, refused: &Refused<'a>) -> ObjectPlan<S, E> {
        let kept = self.kept(wish);
        let refusals = refused.get(wish.name).filter(|_| wish.is_new() || kept.is_none());
        let taken = || Accepted { generation: wish.generation, spec: wish.spec.clone() };
        ObjectPlan {
            generation: wish.generation,
            accepted: refusals.map_or(Ok(()), |refusals| Err(refusals.clone())),
            accepted_spec: if refusals.is_some() { kept.cloned() } else { Some(taken()) },
            effective: None,
            assured: None,
            nodes: 0,
            rejected_now: self.standing(wish.name, kept),
        }
    }

    /// What was accepted before, unless it gave up its place: its pool or parent went and came back, and there
    /// was no longer room. Kept, it would be placed unsolicited the next time.
    fn kept<S: Ruled>(&self, wish: &DesiredSpec<'a, S>) -> Option<&'a Accepted<S>> {
        let world = &self.settled.world;
        let runs = S::placed(world, wish.name).is_some();
        wish.accepted.filter(|accepted| runs || !accepted.spec.has_place(world))
    }

    /// What is wrong with what runs; where nothing runs, why the accepted spec found no place.
    fn standing<S: Ruled>(&self, name: &'a str, kept: Option<&'a Accepted<S>>) -> Vec<Rejection> {
        let world = &self.settled.world;
        match (S::placed(world, name), kept) {
            (Some(running), _) => rules::of_running(world, self.wishes, name, running),
            (None, Some(kept)) => rules::of_edit(world, self.wishes, name, &kept.spec),
            (None, None) => Vec::new(),
        }
    }

    fn assured(&self, holder: Holder<'a>, limit: u64) -> Assured {
        let promised = self.settled.world.held.of(holder).map_or(0, Commitment::sum);
        let spelled = |bytes| Rate::from_bytes_per_day(bytes).to_string();
        Assured { promised: spelled(promised), available: spelled(limit.saturating_sub(promised)) }
    }
}
