//! One daemon's answers, for the snapshots.

use crate::view::{
    Binding, Class, Client, Counters, Explanation, Failures, Level, Limit, LimitHits, Mode, NodeKind, Output,
    Pool, PoolOutput, Rate, Shape, Source, SourceState, SourceStats, Span, Step, Tree, Vm,
};

/// What is said of a pool whose source is stuck.
pub(super) const HELD: &str = "holds: source trng failed (RepetitionCount); 0 of 1 sources are healthy and 1 must be \
                              (onSourceFailure: Hold)";

const KI_S: u64 = 1_024 * 86_400;

fn shape(rate: u64, ceil: u64) -> Shape {
    Shape { rate: Rate(rate * KI_S), ceil: Rate(ceil * KI_S), burst: 1_024, cburst: 1_024 }
}

fn counters(bytes: u64, borrowed: u64) -> Counters {
    Counters { bytes, grants: bytes.div_ceil(64), borrowed, lent: 0, overlimits: 7 }
}

/// A pool with a parent class, two children and one class on its own.
pub(crate) fn tree() -> Tree {
    let pool = Pool {
        name: "default".into(),
        shape: shape(32, 32),
        default_class: "bronze".into(),
        classes: 4,
        vms: 3,
        waiting: 2,
        promised: Rate(20 * KI_S),
        output: PoolOutput { served: Some(Output::Stretched), ..PoolOutput::default() },
        sources: 1,
        sources_healthy: 1,
        counters: counters(3_355_443, 0),
        closed: false,
    };
    let held = PoolOutput {
        promised: Output::FullEntropy,
        lasted: Some(Span(90_000_000_000)),
        message: Some(HELD.into()),
        ..PoolOutput::default()
    };
    let (name, shape) = ("old".into(), shape(0, 1));
    let closed = Pool { name, shape, output: held, sources: 1, closed: true, ..Pool::default() };
    Tree { now: 10_000_000_000, pools: vec![pool, closed], classes: classes(), vms: vms() }
}

fn class(name: &str, parent: Option<&str>, shape: Shape) -> Class {
    Class {
        pool: "default".into(),
        name: name.into(),
        parent: parent.map(str::to_owned),
        shape,
        prio: 4,
        weight: 100,
        ..Class::default()
    }
}

fn classes() -> Vec<Class> {
    let bronze = Class {
        vms: 1,
        members: 1,
        waiting: 1,
        counters: counters(2_097_152, 1_048_576),
        ..class("bronze", None, shape(4, 32))
    };
    let paid = Class { vms: 2, counters: counters(1_258_291, 0), ..class("paid", None, shape(16, 32)) };
    let gold = Class {
        vms: 2,
        members: 2,
        max_vms: Some(40),
        waiting: 1,
        weight: 300,
        promised: Rate(2 * KI_S),
        counters: counters(1_258_291, 629_145),
        ..class("gold", Some("paid"), shape(8, 32))
    };
    let silver = Class { closed: true, prio: 7, ..class("silver", Some("paid"), shape(0, 16)) };
    vec![bronze, paid, gold, silver]
}

fn vms() -> Vec<Vm> {
    let batch = Vm {
        name: "batch-1".into(),
        namespace: "lab".into(),
        class: "bronze".into(),
        binding: None,
        waiting: Some(Span(400_000)),
        owed: 64,
        ..waiting_vm()
    };
    vec![batch, waiting_vm(), idle_vm()]
}

fn waiting_vm() -> Vm {
    Vm {
        name: "web-1".into(),
        namespace: "default".into(),
        pool: "default".into(),
        class: "gold".into(),
        socket: "/run/entropool/vm/web-1/egd.sock".into(),
        client: Client::Qemu,
        connections: 1,
        owed: 640,
        waiting: Some(Span(3_210_000_000)),
        binding: Some(Binding {
            limit: Limit::Ceil,
            kind: NodeKind::Class,
            name: "gold".into(),
            time: Span(2_100_000_000),
            serving: None,
            message: None,
        }),
        shape: shape(1, 16),
        level: Level { tokens: -255, ctokens: 12, mode: Mode::MayBorrow },
        counters: counters(1_258_291, 629_145),
        unsolicited: 128,
        limit_hits: LimitHits::default(),
    }
}

/// A VM that asked for nothing.
pub(super) fn idle_vm() -> Vm {
    Vm {
        name: "web-2".into(),
        client: Client::Egd,
        connections: 0,
        owed: 0,
        waiting: None,
        binding: None,
        socket: "/run/entropool/vm/web-2/egd.sock".into(),
        level: Level { tokens: 1_024, ctokens: 1_024, mode: Mode::CanSend },
        counters: Counters::default(),
        unsolicited: 0,
        ..waiting_vm()
    }
}

/// The kernel, a device at work and one that is stuck.
pub(crate) fn sources() -> Vec<Source> {
    let source = |name: &str, kind: &str| Source {
        pool: "default".into(),
        name: name.into(),
        kind: kind.into(),
        tier: 0,
        active: true,
        state: SourceState::Healthy,
        lasted: Some(Span(3_600_000_000_000)),
        reason: None,
        message: None,
        stats: None,
    };
    let stats = |bytes_in, repetition_count| {
        let failures = Failures { repetition_count, ..Failures::default() };
        Some(SourceStats { bytes_in, bytes_credited: bytes_in - bytes_in.min(2_048), failures })
    };
    let kernel = Source { lasted: None, ..source("kernel", "the kernel's generator") };
    let trng = Source { stats: stats(5_242_880, 0), ..source("trng", "device /dev/hwrng") };
    let stuck = Source {
        tier: 1,
        active: false,
        state: SourceState::Failed,
        lasted: Some(Span(64_000_000_000)),
        reason: Some("RepetitionCount".into()),
        message: Some("the same byte came 21 times in a row".into()),
        stats: stats(1_045, 3),
        ..source("old", "device /dev/trng0")
    };
    vec![kernel, trng, stuck]
}

/// Why `web-1` waits.
pub(crate) fn explanation() -> Explanation {
    let step = |kind, name: &str, shape, tokens, ctokens, mode| Step {
        kind,
        name: name.to_owned(),
        shape,
        level: Level { tokens, ctokens, mode },
        counters: counters(1_258_291, 0),
    };
    let path = vec![
        step(NodeKind::Vm, "web-1", shape(1, 16), -255, 12, Mode::MayBorrow),
        step(NodeKind::Namespace, "default", shape(2, 32), -13, 1_000, Mode::MayBorrow),
        step(NodeKind::Class, "gold", shape(8, 32), 1_024, -180, Mode::CantSend),
        step(NodeKind::Class, "paid", shape(16, 32), 1_024, 1_024, Mode::CanSend),
        step(NodeKind::Pool, "default", shape(32, 32), 0, 0, Mode::CanSend),
    ];
    Explanation { vm: waiting_vm(), path }
}
