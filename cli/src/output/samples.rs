//! The responses of a daemon, for snapshots.

use proto::local::{
    Alarm, Binding, Class, Client, Counters, ExplainResponse, Level, Limit, LimitHits, Mode, NodeKind,
    Output, Pool, PoolOutput, Serving, Shape, Source, SourceFailures, SourceState, SourceStats, Step, Tree,
    Vm,
};

/// The message of a pool whose source is stuck.
pub(super) const HELD: &str = "holds: source trng failed (RepetitionCount); 0 of 1 sources are healthy and 1 must be \
                              (onSourceFailure: Hold)";

const KI_S: u64 = 1_024 * 86_400;

fn shape(rate: u64, ceil: u64) -> Shape {
    Shape { rate: rate * KI_S, ceil: ceil * KI_S, burst: 1_024, cburst: 1_024 }
}

fn counters(bytes: u64, borrowed: u64) -> Counters {
    Counters { bytes, grants: bytes.div_ceil(64), borrowed, lent: 0, overlimits: 7 }
}

fn level(tokens: i64, ctokens: i64, mode: Mode) -> Level {
    Level { tokens, ctokens, mode: mode.into() }
}

/// A pool that keeps its promise.
pub(crate) fn pool() -> Pool {
    let output = PoolOutput {
        promised: Output::Stretched.into(),
        serving: Serving::Promised.into(),
        ..PoolOutput::default()
    };
    Pool {
        name: "default".into(),
        shape: Some(shape(32, 32)),
        default_class: "bronze".into(),
        classes: 4,
        vms: 3,
        waiting: 2,
        promised: 20 * KI_S,
        output: Some(output),
        sources: 1,
        sources_healthy: 1,
        counters: Some(counters(3_355_443, 0)),
        deleted: false,
    }
}

/// A pool with a parent class, two children and one class on its own.
pub(crate) fn tree() -> Tree {
    let held = PoolOutput {
        promised: Output::FullEntropy.into(),
        serving: Serving::Held.into(),
        duration: Some(90_000_000_000),
        message: Some(HELD.into()),
        raw_min_entropy_thousandths: None,
    };
    let deleted = Pool {
        name: "old".into(),
        shape: Some(shape(0, 1)),
        output: Some(held),
        sources: 1,
        deleted: true,
        counters: Some(counters(0, 0)),
        ..Pool::default()
    };
    Tree { now: 10_000_000_000, pools: vec![pool(), deleted], classes: classes(), vms: vms() }
}

fn class(name: &str, parent: Option<&str>, shape: Option<Shape>) -> Class {
    Class {
        pool: "default".into(),
        name: name.into(),
        parent: parent.map(str::to_owned),
        shape,
        per_vm: Some(self::shape(1, 16)),
        prio: 4,
        weight: 100,
        counters: Some(counters(0, 0)),
        ..Class::default()
    }
}

fn classes() -> Vec<Class> {
    let bronze = Class {
        vms: 1,
        members: 1,
        waiting: 1,
        counters: Some(counters(2_097_152, 1_048_576)),
        ..class("bronze", None, Some(shape(4, 32)))
    };
    let paid =
        Class { vms: 2, counters: Some(counters(1_258_291, 0)), ..class("paid", None, Some(shape(16, 32))) };
    let gold = Class {
        vms: 2,
        members: 2,
        max_vms: Some(40),
        waiting: 1,
        weight: 300,
        promised: 2 * KI_S,
        counters: Some(counters(1_258_291, 629_145)),
        ..class("gold", Some("paid"), Some(shape(8, 32)))
    };
    let silver = Class { deleted: true, prio: 7, ..class("silver", Some("paid"), Some(shape(0, 16))) };
    vec![bronze, paid, gold, silver]
}

fn vms() -> Vec<Vm> {
    let batch = Vm {
        name: "batch-1".into(),
        namespace: "lab".into(),
        class: "bronze".into(),
        binding: None,
        waiting: Some(400_000),
        owed: 64,
        ..waiting_vm()
    };
    vec![batch, waiting_vm(), idle_vm()]
}

/// A limit that has bound for a while.
pub(super) fn binding(limit: Limit, kind: NodeKind, name: &str) -> Binding {
    Binding {
        limit: limit.into(),
        kind: kind.into(),
        name: name.to_owned(),
        duration: 2_100_000_000,
        serving: None,
        message: None,
    }
}

fn waiting_vm() -> Vm {
    Vm {
        name: "web-1".into(),
        namespace: "default".into(),
        pool: "default".into(),
        class: "gold".into(),
        socket: "/run/entropool/vm/web-1/egd.sock".into(),
        client: Client::Qemu.into(),
        connections: 1,
        owed: 640,
        waiting: Some(3_210_000_000),
        binding: Some(binding(Limit::Ceil, NodeKind::Class, "gold")),
        shape: Some(shape(1, 16)),
        level: Some(level(-255, 12, Mode::MayBorrow)),
        counters: Some(counters(1_258_291, 629_145)),
        unsolicited: 128,
        limit_hits: Some(LimitHits::default()),
    }
}

/// A VM that has requested nothing.
pub(super) fn idle_vm() -> Vm {
    Vm {
        name: "web-2".into(),
        client: Client::Egd.into(),
        connections: 0,
        owed: 0,
        waiting: None,
        binding: None,
        socket: "/run/entropool/vm/web-2/egd.sock".into(),
        level: Some(level(1_024, 1_024, Mode::CanSend)),
        counters: Some(Counters::default()),
        unsolicited: 0,
        ..waiting_vm()
    }
}

/// The kernel, a healthy device and a stuck one.
pub(crate) fn sources() -> Vec<Source> {
    let source = |name: &str, kind: &str| Source {
        pool: "default".into(),
        name: name.into(),
        kind: kind.into(),
        tier: 0,
        active: true,
        state: SourceState::Healthy.into(),
        duration: Some(3_600_000_000_000),
        reason: None,
        message: None,
        stats: None,
        raw_min_entropy_thousandths: None,
        retesting: false,
        alarms: Vec::new(),
    };
    let stats = |bytes_in, repetition_count| {
        let failures = Some(SourceFailures { repetition_count, ..SourceFailures::default() });
        Some(SourceStats { bytes_in, bytes_credited: bytes_in - bytes_in.min(2_048), failures })
    };
    let kernel = Source { duration: None, ..source("kernel", "the kernel's generator") };
    let trng = Source { stats: stats(5_242_880, 0), ..source("trng", "device /dev/hwrng") };
    let stuck = Source {
        tier: 1,
        active: false,
        state: SourceState::Failed.into(),
        duration: Some(64_000_000_000),
        reason: Some("RepetitionCount".into()),
        message: Some("the same byte came 21 times in a row".into()),
        stats: stats(1_045, 3),
        alarms: vec![alarm()],
        ..source("old", "device /dev/trng0")
    };
    vec![kernel, trng, stuck]
}

pub(crate) fn alarm() -> Alarm {
    Alarm {
        ordinal: 3,
        time: 1_800_000_000,
        age: 64_000_000_000,
        test: "RepetitionCount".into(),
        offset: 1_024,
        count: 21,
        permanent: true,
        retested: false,
    }
}

/// Why `web-1` waits.
pub(crate) fn explanation() -> ExplainResponse {
    let step = |kind: NodeKind, name: &str, shape, tokens, ctokens, mode| Step {
        kind: kind.into(),
        name: name.to_owned(),
        shape,
        level: Some(level(tokens, ctokens, mode)),
        counters: Some(counters(1_258_291, 0)),
    };
    let path = vec![
        step(NodeKind::Vm, "web-1", Some(shape(1, 16)), -255, 12, Mode::MayBorrow),
        step(NodeKind::Namespace, "default", Some(shape(2, 32)), -13, 1_000, Mode::MayBorrow),
        step(NodeKind::Class, "gold", Some(shape(8, 32)), 1_024, -180, Mode::CantSend),
        step(NodeKind::Class, "paid", Some(shape(16, 32)), 1_024, 1_024, Mode::CanSend),
        step(NodeKind::Pool, "default", Some(shape(32, 32)), 0, 0, Mode::CanSend),
    ];
    ExplainResponse { vm: Some(waiting_vm()), path }
}
