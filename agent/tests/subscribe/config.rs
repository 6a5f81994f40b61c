//! What the node should run.

use std::collections::BTreeSet;

use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, OnSourceFailure,
    Output, PoolConfig, Shape, SourceConfig, SourceKind, Version, WatchedKind,
};

const DAY: u64 = 86_400;

pub(crate) fn version(number: u64) -> Version {
    [(WatchedKind::POOLS, number), (WatchedKind::CLASSES, number)].into_iter().collect()
}

/// A pool `default` fed by the kernel, with these classes.
pub(crate) fn config(classes: &[&str]) -> NodeConfig {
    let kernel = SourceConfig {
        name: "kernel".to_owned(),
        kind: SourceKind::Kernel,
        tier: 0,
        capacity: None,
        min_entropy_thousandths: None,
        credit_nested: false,
        health_tests: BTreeSet::new(),
    };
    let pool = PoolConfig {
        name: "default".to_owned(),
        sources: vec![kernel],
        output: Output::Stretched,
        min_healthy_sources: 1,
        on_source_failure: OnSourceFailure::Hold,
        shape: shape(),
        default_class: classes[0].to_owned(),
        classes: classes.iter().map(|name| class(name)).collect(),
        namespaces: Namespaces::All,
    };
    NodeConfig { pools: vec![pool], ..NodeConfig::default() }
}

/// The same, with a source that no node has.
pub(crate) fn impossible() -> NodeConfig {
    let mut config = config(&["shared"]);
    config.pools[0].sources[0].kind = SourceKind::Cpu { instruction: "ROLL".to_owned() };
    config
}

fn class(name: &str) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: None,
        shape: Shape { rate: BytesPerDay(0), ..shape() },
        prio: 4,
        weight: 100,
        per_vm: Shape { rate: BytesPerDay(0), ..shape() },
        max_connections: ClassConfig::DEFAULT_MAX_CONNECTIONS,
        per_namespace: NamespaceBound::default(),
        max_vms: None,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
        allow_degraded: false,
        namespaces: Namespaces::All,
    }
}

fn shape() -> Shape {
    let rate = BytesPerDay(1_024 * 1_024 * DAY);
    Shape { rate, ceil: rate, burst: 16_384, cburst: 16_384 }
}
