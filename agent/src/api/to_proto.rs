//! A snapshot of the data plane as messages of the local API.

use std::collections::HashMap;
use std::sync::Arc;

use dataplane::{
    ClassSnapshot, Client, DataPlaneSnapshot, Level, LimitAt, NodeSnapshot, PoolSnapshot, SourcesSnapshot,
    VmSnapshot, Waiting,
};
use delivery::{ClassConfig, NodeConfig};
use htb::Tick;
use proto::local as wire;

use super::sources;

/// One instant: the data plane, its sources, and the configuration in effect.
pub(super) struct View {
    snapshot: DataPlaneSnapshot,
    config: Arc<NodeConfig>,
    sources: SourcesSnapshot,
}

impl View {
    pub(super) fn new(
        snapshot: DataPlaneSnapshot,
        config: Arc<NodeConfig>,
        sources: SourcesSnapshot,
    ) -> Self {
        Self { snapshot, config, sources }
    }

    fn now(&self) -> u64 {
        self.snapshot.now.0
    }

    /// Nanoseconds since an earlier instant.
    fn since(&self, earlier: Tick) -> u64 {
        self.now().saturating_sub(earlier.0)
    }

    /// By name.
    pub(super) fn pools(&self) -> Vec<wire::Pool> {
        self.snapshot.pools.iter().map(|pool| self.pool(pool)).collect()
    }

    /// By pool, then as in the tree.
    pub(super) fn classes(&self) -> Vec<wire::Class> {
        let of_pool = |pool| {
            let totals = totals(pool);
            in_tree_order(pool).into_iter().map(move |class| self.class(pool, class, &totals))
        };
        self.snapshot.pools.iter().flat_map(of_pool).collect()
    }

    /// By name.
    pub(super) fn vms(&self) -> Vec<wire::Vm> {
        let of_pool = |pool: &PoolSnapshot| pool.vms.iter().map(|vm| self.vm(pool, vm)).collect::<Vec<_>>();
        let mut vms: Vec<_> = self.snapshot.pools.iter().flat_map(of_pool).collect();
        vms.sort_by(|one, other| one.name.cmp(&other.name));
        vms
    }

    pub(super) fn tree(&self) -> wire::Tree {
        wire::Tree { now: self.now(), pools: self.pools(), classes: self.classes(), vms: self.vms() }
    }

    /// `None` if no VM has that name.
    pub(super) fn explain(&self, name: &str) -> Option<wire::ExplainResponse> {
        let find = |pool: &'_ PoolSnapshot| pool.vms.iter().position(|vm| vm.id == name);
        let (pool, at) = self.snapshot.pools.iter().find_map(|pool| Some((pool, find(pool)?)))?;
        let vm = &pool.vms[at];
        Some(wire::ExplainResponse { vm: Some(self.vm(pool, vm)), path: path(pool, vm) })
    }

    fn pool(&self, pool: &PoolSnapshot) -> wire::Pool {
        let top_level = pool.classes.iter().filter(|class| class.parent.is_none());
        let (output, healthy, sources) = sources::output(&pool.name, &self.config, &self.sources);
        wire::Pool {
            name: pool.name.clone(),
            shape: Some(shape(&pool.node)),
            default_class: pool.default_class.clone(),
            classes: count(pool.classes.len()),
            vms: count(pool.vms.len()),
            waiting: count(pool.vms.iter().filter(|vm| vm.waiting.is_some()).count()),
            promised: top_level.fold(0, |sum, class| class.node.params.rate.0.saturating_add(sum)),
            counters: Some(counters(&pool.node)),
            deleted: pool.closed,
            output: Some(output),
            sources: count(sources),
            sources_healthy: count(healthy),
        }
    }

    /// The error for a pool or class that does not exist; `""` is any.
    pub(super) fn check_exists(&self, pool: &str, class: &str) -> Result<(), String> {
        let pools = &self.snapshot.pools;
        if !pool.is_empty() && pools.iter().all(|known| known.name != pool) {
            let known = list(pools.iter().map(|known| known.name.as_str()));
            return Err(format!("there is no pool {pool} on this host; available: {known}"));
        }
        let within = || pools.iter().filter(|known| pool.is_empty() || known.name == pool);
        let classes = || within().flat_map(|pool| &pool.classes).map(|class| class.name.as_str());
        if class.is_empty() || classes().any(|known| known == class) {
            return Ok(());
        }
        let scope = if pool.is_empty() { "on this host".to_owned() } else { format!("in pool {pool}") };
        Err(format!("there is no class {class} {scope}; available: {}", list(classes())))
    }

    fn class(&self, pool: &PoolSnapshot, class: &ClassSnapshot, totals: &Totals<'_>) -> wire::Class {
        let config = self.config_of(&pool.name, &class.name);
        let below = pool.classes.iter().filter(|below| below.parent.as_ref() == Some(&class.name));
        let (vms, waiting) = totals.get(class.name.as_str()).copied().unwrap_or_default();
        wire::Class {
            pool: pool.name.clone(),
            name: class.name.clone(),
            parent: class.parent.clone(),
            shape: Some(shape(&class.node)),
            prio: class.node.params.prio.into(),
            weight: class.node.params.weight.into(),
            per_vm: config.map(|config| wire::Shape {
                rate: config.per_vm.rate.0,
                ceil: config.per_vm.ceil.0,
                burst: config.per_vm.burst,
                cburst: config.per_vm.cburst,
            }),
            vms: count(vms),
            max_vms: config.and_then(|config| config.max_vms),
            promised: below.fold(class.assured.0, |sum, below| below.node.params.rate.0.saturating_add(sum)),
            waiting: count(waiting),
            counters: Some(counters(&class.node)),
            deleted: class.closed,
            members: count(class.vms),
        }
    }

    /// `None` for a class that was deleted.
    fn config_of(&self, pool: &str, class: &str) -> Option<&ClassConfig> {
        let pool = self.config.pools.iter().find(|config| config.name == pool)?;
        pool.classes.iter().find(|config| config.name == class)
    }

    fn vm(&self, pool: &PoolSnapshot, vm: &VmSnapshot) -> wire::Vm {
        let client = match vm.client {
            Client::Qemu => wire::Client::Qemu,
            Client::Detect => wire::Client::Unspecified,
            Client::Egd => wire::Client::Egd,
        };
        wire::Vm {
            name: vm.id.clone(),
            namespace: vm.namespace.clone(),
            pool: pool.name.clone(),
            class: vm.class.clone(),
            socket: vm.socket.as_ref().map(ToString::to_string).unwrap_or_default(),
            client: client.into(),
            connections: count(vm.connections),
            owed: vm.owed,
            waiting: vm.waiting.as_ref().map(|waiting| self.since(waiting.since)),
            binding: self.binding(pool, vm),
            shape: Some(shape(&vm.node)),
            level: Some(level(&vm.node)),
            counters: Some(counters(&vm.node)),
            unsolicited: vm.unsolicited,
            limit_hits: Some(limit_hits(vm)),
        }
    }

    fn binding(&self, pool: &PoolSnapshot, vm: &VmSnapshot) -> Option<wire::Binding> {
        let own = (wire::NodeKind::Vm, vm.id.clone());
        let Some(Waiting { limit, limit_since, .. }) = &vm.waiting else {
            let stuck = vm.blocked > 0 && vm.owed > 0;
            return stuck.then(|| binding(wire::Limit::Peer, own, 0));
        };
        let (limit, node) = match limit {
            LimitAt::Rate => (wire::Limit::Rate, own),
            LimitAt::Supply => (wire::Limit::Supply, (wire::NodeKind::Pool, pool.name.clone())),
            LimitAt::Ceil(Level::Vm) => (wire::Limit::Ceil, own),
            LimitAt::Ceil(Level::Namespace) => {
                (wire::Limit::Ceil, (wire::NodeKind::Namespace, vm.namespace.clone()))
            }
            LimitAt::Ceil(Level::Class(name)) => (wire::Limit::Ceil, (wire::NodeKind::Class, name.clone())),
            LimitAt::Ceil(Level::Pool) => (wire::Limit::Ceil, (wire::NodeKind::Pool, pool.name.clone())),
        };
        let mut binding = binding(limit, node, self.since(*limit_since));
        if limit == wire::Limit::Supply {
            let (output, ..) = sources::output(&pool.name, &self.config, &self.sources);
            (binding.serving, binding.message) = (Some(output.serving), output.message);
        }
        Some(binding)
    }
}

/// How many VMs each class and the classes below it have, and how many of these wait.
type Totals<'a> = HashMap<&'a str, (usize, usize)>;

fn totals(pool: &PoolSnapshot) -> Totals<'_> {
    let parents: HashMap<_, _> =
        pool.classes.iter().map(|class| (class.name.as_str(), class.parent.as_deref())).collect();
    let mut totals = Totals::new();
    for vm in &pool.vms {
        let above = |class: &&str| parents.get(class).copied().flatten();
        for class in std::iter::successors(Some(vm.class.as_str()), above) {
            let (vms, waiting) = totals.entry(class).or_default();
            (*vms, *waiting) = (*vms + 1, *waiting + usize::from(vm.waiting.is_some()));
        }
    }
    totals
}

/// `a, b, c`, or `none`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether a VM passes the filters of a request.
pub(super) fn matches(vm: &wire::Vm, request: &wire::ListVmsRequest) -> bool {
    let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    is(&request.pool, &vm.pool) && is(&request.class, &vm.class) && (!request.waiting || vm.waiting.is_some())
}

/// Parents before children, siblings by name.
fn in_tree_order(pool: &PoolSnapshot) -> Vec<&ClassSnapshot> {
    let below = |parent: Option<&str>| {
        let children = pool.classes.iter().filter(move |class| class.parent.as_deref() == parent);
        // The last one of the stack is visited next.
        children.rev().collect::<Vec<_>>()
    };
    let mut stack = below(None);
    let mut ordered = Vec::with_capacity(pool.classes.len());
    while let Some(class) = stack.pop() {
        ordered.push(class);
        stack.extend(below(Some(&class.name)));
    }
    ordered
}

/// From the VM's leaf to the pool.
fn path(pool: &PoolSnapshot, vm: &VmSnapshot) -> Vec<wire::Step> {
    let class = |name: &str| pool.classes.iter().find(|class| class.name == name);
    let own = class(&vm.class);
    let namespace = own
        .and_then(|class| class.namespaces.iter().find(|namespace| namespace.name == vm.namespace))
        .and_then(|namespace| namespace.node);
    let mut path = vec![step(wire::NodeKind::Vm, &vm.id, &vm.node)];
    path.extend(namespace.map(|node| step(wire::NodeKind::Namespace, &vm.namespace, &node)));
    let classes = std::iter::successors(own, |below| class(below.parent.as_deref()?));
    path.extend(classes.map(|class| step(wire::NodeKind::Class, &class.name, &class.node)));
    path.push(step(wire::NodeKind::Pool, &pool.name, &pool.node));
    path
}

fn step(kind: wire::NodeKind, name: &str, node: &NodeSnapshot) -> wire::Step {
    wire::Step {
        kind: kind.into(),
        name: name.to_owned(),
        shape: Some(shape(node)),
        level: Some(level(node)),
        counters: Some(counters(node)),
    }
}

fn binding(limit: wire::Limit, (kind, name): (wire::NodeKind, String), duration: u64) -> wire::Binding {
    wire::Binding { limit: limit.into(), kind: kind.into(), name, duration, ..wire::Binding::default() }
}

fn shape(node: &NodeSnapshot) -> wire::Shape {
    let params = &node.params;
    wire::Shape { rate: params.rate.0, ceil: params.ceil.0, burst: params.burst, cburst: params.cburst }
}

fn level(node: &NodeSnapshot) -> wire::Level {
    let mode = match node.stats.mode {
        htb::Mode::CanSend => wire::Mode::CanSend,
        htb::Mode::MayBorrow => wire::Mode::MayBorrow,
        htb::Mode::CantSend => wire::Mode::CantSend,
    };
    wire::Level { tokens: node.stats.tokens, ctokens: node.stats.ctokens, mode: mode.into() }
}

fn limit_hits(vm: &VmSnapshot) -> wire::LimitHits {
    let limit_hits = vm.limit_hits;
    wire::LimitHits {
        delayed: limit_hits.delayed,
        replaced: limit_hits.replaced,
        unanswered: limit_hits.unanswered,
        flooding: limit_hits.flooding,
        stalled: limit_hits.stalled,
        garbage: limit_hits.garbage,
        deferred: limit_hits.deferred,
        saturated: vm.asked.saturations,
    }
}

fn counters(node: &NodeSnapshot) -> wire::Counters {
    let stats = &node.stats;
    wire::Counters {
        bytes: stats.bytes,
        grants: stats.grants,
        borrowed: stats.borrowed,
        lent: stats.lent,
        overlimits: stats.overlimits,
    }
}

/// No host has more than four thousand million of anything that is counted.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
