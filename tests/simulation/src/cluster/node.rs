//! A node: the agent's real half of the protocol and its admission, a kubelet, and the network to a controller.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use agent::testing::pool_configs;
use clock::{Span, Tick};
use codec::Bytes;
use delivery::subscriber::SubscriberTask;
use delivery::{
    Admission, AgentState, AgentSubscription, ClassConfig, FromAgent, FromController, Move, Nack, NodeConfig,
    NodeState, PoolConfig, ReportDebouncer, ResourceSet, ServingState, SourceReport, SourceState, Subscriber,
    SupplyReport, Version, VmReport,
};
use htb::NodeId;
use htb::pool::PoolShaper;

use super::pod::Pod;

/// What the agent writes to disk.
#[derive(Clone, Default)]
struct Saved {
    version: Version,
    content: Arc<ResourceSet<Bytes>>,
}

/// A VM that is attached.
#[derive(Clone, Debug)]
pub(crate) struct Vm {
    leaf: NodeId,
    pub(crate) namespace: String,
    pub(crate) pool: String,
    pub(crate) class: String,
    /// It has been in another class.
    pub(crate) moved: bool,
}

/// A stream to a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) replica: usize,
    pub(crate) stream: u64,
}

pub(crate) struct Node {
    pub(crate) name: String,
    /// Somebody else has its agent's token.
    pub(crate) byzantine: bool,
    pub(crate) subscriber: Subscriber<Bytes>,
    pub(crate) link: Option<Link>,
    /// When it connects.
    pub(crate) connect_at: Option<Tick>,
    pub(crate) up: VecDeque<(Tick, FromAgent)>,
    pub(crate) down: VecDeque<(Tick, FromController<Bytes>)>,
    pub(crate) config: Arc<NodeConfig>,
    shapers: BTreeMap<String, PoolShaper>,
    /// By the uid of the pod.
    pub(crate) vms: BTreeMap<String, Vm>,
    reporter: ReportDebouncer,
    saved: Saved,
    /// When something about it was last not as it will be.
    pub(crate) disturbed: Tick,
    seed: u64,
}

/// What an agent did that is looked at from outside.
#[derive(Debug)]
pub(crate) enum Deed {
    Connect,
    Applied { content: Arc<ResourceSet<Bytes>> },
    Moved(Move),
    RolledBack { from: Version, to: Version },
    Disconnect,
}

impl Node {
    pub(crate) fn new(now: Tick, name: &str, byzantine: bool, seed: u64) -> Self {
        let saved = Saved::default();
        Self {
            name: name.to_owned(),
            byzantine,
            subscriber: subscriber(now, name, &saved, seed),
            link: None,
            connect_at: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            config: Arc::default(),
            shapers: BTreeMap::new(),
            vms: BTreeMap::new(),
            reporter: ReportDebouncer::default(),
            saved,
            disturbed: now,
            seed,
        }
    }

    /// The agent's process ends and starts again. What it serves is in the data plane's files, and stays.
    pub(crate) fn restart(&mut self, now: Tick, forgets: bool) {
        self.cut();
        self.seed += 1;
        if forgets {
            self.saved = Saved::default();
            self.config = Arc::default();
        }
        self.subscriber = subscriber(now, &self.name, &self.saved, self.seed);
        self.connect_at = None;
        self.disturbed = now;
    }

    /// A bug: it does not remember which version it runs.
    pub(crate) fn forget_version(&mut self, now: Tick) {
        let saved = Saved { version: Version::default(), content: Arc::clone(self.subscriber.held()) };
        self.subscriber = subscriber(now, &self.name, &saved, self.seed);
    }

    /// The stream is gone. The subscriber has to be told.
    pub(crate) fn cut(&mut self) {
        self.link = None;
        self.up.clear();
        self.down.clear();
    }

    pub(crate) fn connected(&mut self, now: Tick, link: Link) {
        self.link = Some(link);
        self.reporter.reset();
        self.subscriber.connected(now);
        self.disturbed = now;
    }

    /// Does all that the agent's half of the protocol wants done.
    pub(crate) fn drive(&mut self, now: Tick, arrives: Tick) -> Vec<Deed> {
        let mut deeds = Vec::new();
        while let Some(task) = self.subscriber.poll(now) {
            match task {
                SubscriberTask::Connect => deeds.push(Deed::Connect),
                SubscriberTask::Send(message) => self.send(arrives, message),
                SubscriberTask::Apply(content) => {
                    let refused = self.apply(now, &content).err();
                    self.subscriber.applied(refused.map_or(Ok(Vec::new()), Err));
                    deeds.push(Deed::Applied { content });
                }
                SubscriberTask::Persist => {
                    let (version, content) =
                        (self.subscriber.version().clone(), Arc::clone(self.subscriber.held()));
                    self.saved = Saved { version, content };
                }
                SubscriberTask::Move(order) => {
                    let result = self.move_vm(now, &order);
                    self.send(arrives, FromAgent::Moved { ticket: order.ticket, result });
                    deeds.push(Deed::Moved(order));
                }
                SubscriberTask::Authenticate => {
                    self.send(arrives, FromAgent::Token(delivery::BearerToken::new("token")));
                }
                SubscriberTask::ConfigRolledBack { from, to } => deeds.push(Deed::RolledBack { from, to }),
                SubscriberTask::Disconnect => deeds.push(Deed::Disconnect),
            }
        }
        if self.link.is_some() {
            let state = self.state();
            if let Some(report) = self.reporter.report(now, &state) {
                self.send(arrives, FromAgent::Report(report));
            }
        }
        deeds
    }

    pub(crate) fn send(&mut self, arrives: Tick, message: FromAgent) {
        if self.link.is_some() {
            let arrives = self.up.back().map_or(arrives, |(last, _)| arrives.max(*last));
            self.up.push_back((arrives, message));
        }
    }

    /// A message is on its way to the agent. Later ones do not overtake it.
    pub(crate) fn receive(&mut self, arrives: Tick, message: FromController<Bytes>) {
        let arrives = self.down.back().map_or(arrives, |(last, _)| arrives.max(*last));
        self.down.push_back((arrives, message));
    }

    /// The agent receives what has arrived.
    pub(crate) fn hear(&mut self, now: Tick) {
        while let Some((_, message)) = self.down.pop_front_if(|(arrives, _)| *arrives <= now) {
            self.subscriber.handle(now, message);
        }
    }

    fn apply(&mut self, now: Tick, content: &ResourceSet<Bytes>) -> Result<(), Nack> {
        let config = codec::decode(content).map_err(|error| Nack::new(error.reason(), error.to_string()))?;
        let pools = pool_configs(&config).map_err(|error| Nack::new("Refused", error.to_string()))?;
        for pool in &pools {
            let configured = match self.shapers.get_mut(&pool.name) {
                Some(shaper) => shaper.configure(&pool.params, now),
                None => PoolShaper::new(&pool.params, now)
                    .map(|shaper| drop(self.shapers.insert(pool.name.clone(), shaper))),
            };
            configured.map_err(|error| Nack::new("Refused", error.to_string()))?;
        }
        let vms = &self.vms;
        self.shapers.retain(|name, _| {
            pools.iter().any(|pool| pool.name == *name) || vms.values().any(|vm| vm.pool == *name)
        });
        if *self.config != config {
            self.disturbed = now;
        }
        self.config = Arc::new(config);
        Ok(())
    }

    pub(crate) fn pool(&self, name: &str) -> Option<&PoolConfig> {
        self.config.pools.iter().find(|pool| pool.name == name)
    }

    pub(crate) fn class(&self, pool: &str, name: &str) -> Option<&ClassConfig> {
        self.pool(pool)?.classes.iter().find(|class| class.name == name)
    }

    /// The kubelet publishes a pod's volume; what it does not get now it asks for again.
    pub(crate) fn publish(&mut self, now: Tick, pod: &Pod) -> Option<&Vm> {
        let (pool, class) = pod.volume()?;
        let config = self.pool(pool).filter(|config| config.namespaces.contains(pod.namespace()))?;
        let class = class.unwrap_or(&config.default_class).to_owned();
        self.class(pool, &class).filter(|config| config.namespaces.contains(pod.namespace()))?;
        let leaf = self.shapers.get_mut(pool)?.attach(pod.namespace(), &class, now).ok()?;
        let (namespace, pool) = (pod.namespace().to_owned(), pool.to_owned());
        self.vms.insert(pod.uid().to_owned(), Vm { leaf, namespace, pool, class, moved: false });
        self.disturbed = now;
        self.vms.get(pod.uid())
    }

    pub(crate) fn unpublish(&mut self, now: Tick, uid: &str) {
        let Some(vm) = self.vms.remove(uid) else { return };
        if let Some(shaper) = self.shapers.get_mut(&vm.pool) {
            shaper.detach(vm.leaf, now);
        }
        self.disturbed = now;
    }

    fn move_vm(&mut self, now: Tick, order: &Move) -> Result<(), Nack> {
        let unknown = || Nack::new("UnknownVm", "no such VM");
        let vm = self.vms.get(&order.uid).cloned().ok_or_else(unknown)?;
        let refused = || Nack::new("NamespaceNotAllowed", "its namespace may not use the class");
        self.class(&vm.pool, &order.class)
            .filter(|class| class.namespaces.contains(&vm.namespace))
            .ok_or_else(refused)?;
        let shaper = self.shapers.get_mut(&vm.pool).ok_or_else(unknown)?;
        let moved = shaper.move_to(vm.leaf, &order.class, now);
        moved.map_err(|error| Nack::new("ClassFull", error.to_string()))?;
        if let Some(vm) = self.vms.get_mut(&order.uid) {
            (vm.class, vm.moved) = (order.class.clone(), true);
        }
        self.disturbed = now;
        Ok(())
    }

    fn state(&self) -> NodeState {
        let orphaned = |vm: &Vm| {
            let pool = self.pool(&vm.pool).filter(|pool| pool.namespaces.contains(&vm.namespace));
            let class = self.class(&vm.pool, &vm.class).filter(|it| it.namespaces.contains(&vm.namespace));
            pool.is_none() || class.is_none()
        };
        let report = |vm: &Vm| VmReport {
            pool: vm.pool.clone(),
            class: vm.class.clone(),
            // What an agent says of it does not matter.
            slot: Some(vm.class.clone()),
            orphaned: orphaned(vm),
        };
        let source = |name: &str| SourceReport {
            name: name.to_owned(),
            health: SourceState::Healthy,
            reason: String::new(),
            message: String::new(),
            alarm: None,
        };
        let supply = |pool: &PoolConfig| SupplyReport {
            serving: ServingState::Promised,
            message: String::new(),
            sources: pool.sources.iter().map(|it| source(&it.name)).collect(),
        };
        NodeState {
            // As soon as it has a configuration, even one without a pool.
            agent: AgentState {
                ready: *self.subscriber.version() != Version::default(),
                ..AgentState::default()
            },
            vms: self.vms.iter().map(|(uid, vm)| (uid.clone(), report(vm))).collect(),
            usage: BTreeMap::new(),
            supplies: self.config.pools.iter().map(|pool| (pool.name.clone(), supply(pool))).collect(),
        }
    }

    /// The slots that a scheduler should see of it: `has_slot` says whether the pod of a uid asked for one of a class.
    pub(crate) fn slots(&self, has_slot: impl Fn(&str, &str) -> bool) -> BTreeMap<String, String> {
        let classes = self.config.pools.iter().flat_map(|pool| pool.classes.iter().map(move |it| (pool, it)));
        let strict = classes.filter(|(_, class)| class.admission == Admission::Strict);
        strict
            .filter_map(|(pool, class)| {
                let without = self.vms.iter().filter(|(uid, vm)| {
                    vm.pool == pool.name && vm.class == class.name && !has_slot(uid, &class.name)
                });
                let left = u64::from(class.max_vms?).saturating_sub(without.count() as u64);
                Some((api::names::class_resource(&class.name), left.to_string()))
            })
            .collect()
    }

    pub(crate) fn is_settled(&self, now: Tick, after: Span) -> bool {
        self.link.is_some() && now >= self.disturbed + after
    }
}

fn subscriber(now: Tick, name: &str, saved: &Saved, seed: u64) -> Subscriber<Bytes> {
    let agent = AgentSubscription {
        node: name.to_owned(),
        agent_version: "1".to_owned(),
        capabilities: vec!["move".to_owned()],
        ..AgentSubscription::default()
    };
    Subscriber::new(now, agent, Arc::clone(&saved.content), saved.version.clone(), seed)
}
