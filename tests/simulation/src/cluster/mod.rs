//! A cluster in virtual time: replicas of the controller, an API server, nodes with an agent and a kubelet each, tenants who
//! try what they may, an operator who errs, and nodes whose token somebody else has. All of it follows from one seed.
//!
//! These parts are real: the controller's store, plan, sessions and patches of nodes, the decisions of its webhooks, both
//! halves of the delivery with their encoding, and an agent's admission of VMs. The API server, its watches, the Lease, the
//! scheduler, the kubelets and the network are ours.

use clock::{Span, Tick};
use soak::Rng;

use self::api_server::ApiServer;
use self::checks::Past;
use self::mutation::ClusterMutation;
use self::node::{Deed, Link, Node};
use self::replica::Replica;
use self::tenants::{Admissions, CLASSES};
use crate::violation::{BEGIN, Check, Violation};

mod api_server;
mod byzantine;
mod checks;
mod faults;
mod mutation;
mod node;
mod operator;
mod pod;
mod replica;
mod streams;
mod tenants;

pub use mutation::ClusterMutation as PlantedClusterBug;

const STEP: Span = Span::millis(250);
/// For so long things change and go wrong.
const LIFE: Span = Span::seconds(40);
/// Then everything comes to rest: later than [`checks::SETTLED`].
const REST: Span = Span::seconds(35);
/// The same after a restore, which an agent believes after a minute.
const REST_AFTER_RESTORE: Span = Span::seconds(110);
const NAMESPACES: [&str; 3] = ["t0", "t1", "t2"];

/// What a cluster's life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterReport {
    pub instants: u64,
    /// Pods that were admitted, and those that were not.
    pub admitted: u64,
    pub refused: u64,
    /// VMs that were attached and moved.
    pub attached: u64,
    pub moved: u64,
    /// Configurations that an agent put into effect.
    pub applied: u64,
    /// Messages of somebody who is no agent.
    pub lies: u64,
    pub faults: u64,
    /// A digest of all of it.
    pub trace: u64,
}

pub(crate) struct Cluster {
    seed: u64,
    dice: Rng,
    now: Tick,
    plant: Option<ClusterMutation>,
    api: ApiServer,
    lease: Option<(usize, Tick)>,
    replicas: Vec<Replica>,
    nodes: Vec<Node>,
    streams: u64,
    pods: u64,
    past: Past,
    report: ClusterReport,
}

/// Plays the life of a cluster that follows from a seed, with a bug planted or none, and says what it came to.
pub fn simulate_cluster(seed: u64, plant: Option<ClusterMutation>) -> Result<ClusterReport, Violation> {
    Cluster::new(seed, plant).live()
}

impl Cluster {
    fn new(seed: u64, plant: Option<ClusterMutation>) -> Self {
        let mut dice = Rng::new(seed);
        let now = BEGIN;
        let mut api = ApiServer::new(&NAMESPACES);
        api.record_first();
        let count = 2 + dice.below(3);
        let liars = dice.below(3).min(count - 1);
        let nodes: Vec<_> = (0..count)
            .map(|number| Node::new(now, &format!("n{number}"), number < liars, seed ^ (number << 40)))
            .collect();
        nodes.iter().for_each(|node| api.add_node(&node.name));
        operator::begin(&mut api);
        for namespace in NAMESPACES {
            if dice.once_in(2) {
                let class = (*dice.pick(&CLASSES)).to_owned();
                api.quotas.insert((namespace.to_owned(), class), dice.below(4));
            }
        }
        let replicas = 1 + usize::try_from(dice.below(3)).unwrap();
        Self {
            seed,
            dice,
            now,
            plant,
            api,
            lease: None,
            replicas: (0..replicas).map(|number| Replica::new(number, now)).collect(),
            nodes,
            streams: 0,
            pods: 0,
            past: Past::default(),
            report: ClusterReport::default(),
        }
    }

    fn live(mut self) -> Result<ClusterReport, Violation> {
        self.live_on().map_err(|(promise, what)| {
            let at = self.now.since(BEGIN);
            Violation { seed: self.seed, at, promise, what }
        })?;
        Ok(self.report)
    }

    fn live_on(&mut self) -> Result<(), Check> {
        let heal = BEGIN + LIFE;
        let mut end = heal + REST;
        while self.now < end {
            if self.now < heal {
                self.act();
                self.strike()?;
            }
            if self.past.restored.is_some() {
                end = heal + REST_AFTER_RESTORE;
            }
            self.control();
            self.converse()?;
            self.kubelets();
            self.check()?;
            self.report.instants += 1;
            self.mark();
            self.now = self.now + STEP;
        }
        checks::converged(&self.api, &self.nodes)
    }

    /// Folds what there is into the trace.
    fn mark(&mut self) {
        let vms: usize = self.nodes.iter().map(|node| node.vms.len()).sum();
        let what = self.api.revision ^ ((vms as u64) << 32) ^ (self.report.applied << 48);
        self.report.trace = (self.report.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }

    /// Tenants and the operator.
    fn act(&mut self) {
        if self.dice.once_in(3) {
            self.tenant();
        }
        if self.dice.once_in(24) {
            operator::edit(&mut self.api, &mut self.dice);
            self.disturb();
        }
    }

    fn tenant(&mut self) {
        let Self { now, api, replicas, plant, dice, .. } = self;
        let admissions = Admissions { now: *now, replicas, plant: *plant };
        let uids: Vec<String> = api.pods.keys().cloned().collect();
        if uids.is_empty() || (dice.below(10) < 5 && uids.len() < 24) {
            self.pods += 1;
            let namespace = *dice.pick(&NAMESPACES);
            let pod = tenants::written(dice, namespace, &format!("pod-{}", self.pods));
            let admitted = admissions.create(api, dice, pod);
            self.report.admitted += u64::from(admitted);
            self.report.refused += u64::from(!admitted);
            return;
        }
        let uid = dice.pick(&uids).clone();
        if dice.once_in(2) {
            let class = *dice.pick(&CLASSES);
            admissions.annotate(api, dice, &uid, class);
            let node = api.pods.get(&uid).and_then(|pod| pod.node.clone());
            let now = *now;
            self.nodes
                .iter_mut()
                .filter(|it| Some(&it.name) == node.as_ref())
                .for_each(|it| it.disturbed = now);
        } else if let Some(pod) = api.pods.get_mut(&uid) {
            pod.deleted = true;
        }
    }

    /// Nothing that is seen of any node needs to be true for a while.
    fn disturb(&mut self) {
        let now = self.now;
        self.nodes.iter_mut().for_each(|node| node.disturbed = now);
    }

    /// The replicas see, plan, elect and write.
    fn control(&mut self) {
        let Self { now, api, lease, replicas, plant, past, .. } = self;
        for replica in replicas.iter_mut().filter(|it| it.runs(*now)) {
            replica.watch(*now, api, *plant, &mut past.published);
            // Whoever thaws may write before it looks at the Lease.
            replica.write(*now, api, *plant);
            replica.elect(*now, api, lease);
        }
    }

    /// The scheduler, and the kubelets.
    fn kubelets(&mut self) {
        let now = self.now;
        for (_, node) in tenants::schedule(&mut self.api, &mut self.dice) {
            self.nodes.iter_mut().filter(|it| it.name == node).for_each(|it| it.disturbed = now);
        }
        let uids: Vec<String> = self.api.pods.keys().cloned().collect();
        for uid in uids {
            let pod = self.api.pods[&uid].clone();
            let node = self.nodes.iter_mut().find(|node| Some(&node.name) == pod.node.as_ref());
            match (node, pod.deleted) {
                (Some(node), true) => {
                    node.unpublish(now, &uid);
                    self.api.remove_pod(&uid);
                }
                (None, true) => self.api.remove_pod(&uid),
                (Some(node), false) if !node.vms.contains_key(&uid) => {
                    self.report.attached += u64::from(node.publish(now, &pod).is_some());
                }
                _ => {}
            }
        }
    }

    fn check(&mut self) -> Result<(), Check> {
        let Self { now, api, replicas, nodes, past, .. } = self;
        past.accepted(api)?;
        checks::quotas(api, nodes)?;
        for (number, replica) in replicas.iter().enumerate() {
            past.costs(*now, BEGIN, number, replica)?;
        }
        if let Some(leader) = replicas.iter().find(|replica| replica.leads(*now) && replica.runs(*now)) {
            for node in &*nodes {
                checks::slots(*now, api, node, leader)?;
            }
        }
        Ok(())
    }
}
