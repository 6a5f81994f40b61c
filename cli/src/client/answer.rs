//! The daemon's messages as plain types.

use proto::local as wire;

use crate::view::{
    Binding, Class, Client, Counters, Explanation, Failures, Level, Limit, LimitHits, Mode, NodeKind, Output,
    Pool, PoolOutput, Rate, Serving, Shape, Source, SourceState, SourceStats, Span, Step, Tree, Vm,
};

pub(super) fn pool(pool: wire::Pool) -> Pool {
    Pool {
        name: pool.name,
        shape: shape(pool.shape),
        default_class: pool.default_class,
        classes: pool.classes,
        vms: pool.vms,
        waiting: pool.waiting,
        promised: Rate(pool.promised),
        output: output(&pool.output.unwrap_or_default()),
        sources: pool.sources,
        sources_healthy: pool.sources_healthy,
        counters: counters(pool.counters),
        closed: pool.closed,
    }
}

/// What this program does not know of, it does not show.
fn output(output: &wire::PoolOutput) -> PoolOutput {
    let promised = match output.promised() {
        wire::Output::Unspecified | wire::Output::Stretched => Output::Stretched,
        wire::Output::FullEntropy => Output::FullEntropy,
        wire::Output::Raw => Output::Raw,
    };
    let served = match output.served() {
        wire::Serving::Unspecified | wire::Serving::Promised => Some(promised),
        wire::Serving::Degraded => Some(Output::Stretched),
        wire::Serving::Starting | wire::Serving::Held => None,
    };
    let (lasted, message) = (output.lasted.map(Span), some(output.message.clone()));
    PoolOutput { promised, served, degraded: output.served() == wire::Serving::Degraded, lasted, message }
}

pub(super) fn source(source: wire::Source) -> Source {
    let state = match source.state() {
        wire::SourceState::Unspecified | wire::SourceState::Starting => SourceState::Starting,
        wire::SourceState::Healthy => SourceState::Healthy,
        wire::SourceState::Suspect => SourceState::Suspect,
        wire::SourceState::Failed => SourceState::Failed,
        wire::SourceState::Unavailable => SourceState::Unavailable,
    };
    Source {
        pool: source.pool,
        name: source.name,
        kind: source.kind,
        tier: source.tier,
        active: source.active,
        state,
        lasted: source.lasted.map(Span),
        reason: some(source.reason),
        message: some(source.message),
        stats: source.stats.map(|stats| SourceStats {
            bytes_in: stats.bytes_in,
            bytes_credited: stats.bytes_credited,
            failures: Failures {
                repetition_count: stats.repetition_count,
                adaptive_proportion: stats.adaptive_proportion,
                block_tests: stats.block_tests,
                lost: stats.lost,
            },
        }),
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn class(class: wire::Class) -> Class {
    Class {
        pool: class.pool,
        name: class.name,
        parent: Some(class.parent).filter(|parent| !parent.is_empty()),
        shape: shape(class.shape),
        prio: class.prio,
        weight: class.weight,
        per_vm: shape(class.per_vm),
        vms: class.vms,
        members: class.members,
        max_vms: class.max_vms,
        promised: Rate(class.promised),
        waiting: class.waiting,
        counters: counters(class.counters),
        closed: class.closed,
    }
}

pub(super) fn vm(vm: wire::Vm, now: u64) -> Vm {
    Vm {
        client: client(vm.client()),
        name: vm.id,
        namespace: vm.namespace,
        pool: vm.pool,
        class: vm.class,
        socket: vm.socket,
        connections: vm.connections,
        owed: vm.owed,
        waiting: vm.waiting_since.map(|since| Span::between(since, now)),
        binding: vm.binding.and_then(|binding| self::binding(binding, now)),
        shape: shape(vm.shape),
        level: level(vm.level),
        counters: counters(vm.counters),
        unsolicited: vm.unsolicited,
        limit_hits: limit_hits(vm.limit_hits),
    }
}

pub(super) fn explanation(answer: wire::ExplainResponse) -> Option<Explanation> {
    let path = answer.path.into_iter().filter_map(step).collect();
    answer.vm.map(|vm| Explanation { vm: self::vm(vm, answer.now), path })
}

pub(super) fn tree(tree: wire::Tree) -> Tree {
    Tree {
        now: tree.now,
        pools: tree.pools.into_iter().map(pool).collect(),
        classes: tree.classes.into_iter().map(class).collect(),
        vms: tree.vms.into_iter().map(|vm| self::vm(vm, tree.now)).collect(),
    }
}

fn step(step: wire::Step) -> Option<Step> {
    Some(Step {
        kind: kind(step.kind())?,
        shape: shape(step.shape),
        level: level(step.level),
        counters: counters(step.counters),
        name: step.name,
    })
}

/// A limit that this program does not know is no limit it could name.
fn binding(binding: wire::Binding, now: u64) -> Option<Binding> {
    let limit = match binding.limit() {
        wire::Limit::Unspecified => return None,
        wire::Limit::Rate => Limit::Rate,
        wire::Limit::Ceil => Limit::Ceil,
        wire::Limit::Supply => Limit::Supply,
        wire::Limit::Peer => Limit::Peer,
    };
    let kind = kind(binding.kind())?;
    let (serving, time) = (serving(binding.serving()), Span::between(binding.since, now));
    Some(Binding { limit, kind, time, serving, name: binding.name, message: some(binding.message) })
}

fn serving(serving: wire::Serving) -> Option<Serving> {
    match serving {
        wire::Serving::Unspecified => None,
        wire::Serving::Starting => Some(Serving::Starting),
        wire::Serving::Promised => Some(Serving::Promised),
        wire::Serving::Degraded => Some(Serving::Degraded),
        wire::Serving::Held => Some(Serving::Held),
    }
}

fn kind(kind: wire::NodeKind) -> Option<NodeKind> {
    match kind {
        wire::NodeKind::Unspecified => None,
        wire::NodeKind::Pool => Some(NodeKind::Pool),
        wire::NodeKind::Class => Some(NodeKind::Class),
        wire::NodeKind::Namespace => Some(NodeKind::Namespace),
        wire::NodeKind::Vm => Some(NodeKind::Vm),
    }
}

fn client(client: wire::Client) -> Client {
    match client {
        wire::Client::Unspecified | wire::Client::Qemu => Client::Qemu,
        wire::Client::Egd => Client::Egd,
    }
}

fn shape(shape: Option<wire::Shape>) -> Shape {
    let shape = shape.unwrap_or_default();
    Shape { rate: Rate(shape.rate), ceil: Rate(shape.ceil), burst: shape.burst, cburst: shape.cburst }
}

/// A daemon that is older than they are says nothing of them.
fn limit_hits(limit_hits: Option<wire::LimitHits>) -> LimitHits {
    let limit_hits = limit_hits.unwrap_or_default();
    LimitHits {
        delayed: limit_hits.delayed,
        replaced: limit_hits.replaced,
        unanswered: limit_hits.unanswered,
        flooding: limit_hits.flooding,
        stalled: limit_hits.stalled,
        garbage: limit_hits.garbage,
        deferred: limit_hits.deferred,
        saturated: limit_hits.saturated,
    }
}

fn counters(counters: Option<wire::Counters>) -> Counters {
    let counters = counters.unwrap_or_default();
    Counters {
        bytes: counters.bytes,
        grants: counters.grants,
        borrowed: counters.borrowed,
        lent: counters.lent,
        overlimits: counters.overlimits,
    }
}

fn level(level: Option<wire::Level>) -> Level {
    let level = level.unwrap_or_default();
    let mode = match level.mode() {
        wire::Mode::Unspecified | wire::Mode::CanSend => Mode::CanSend,
        wire::Mode::MayBorrow => Mode::MayBorrow,
        wire::Mode::CantSend => Mode::CantSend,
    };
    Level { tokens: level.tokens, ctokens: level.ctokens, mode }
}
