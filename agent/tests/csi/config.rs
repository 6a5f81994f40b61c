//! What the node serves in these tests.

use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, OnSourceFailure,
    Output, PoolConfig, Shape, SourceConfig, SourceKind,
};

const RATE: BytesPerDay = BytesPerDay(86_400 << 20);
const SHAPE: Shape = Shape { rate: RATE, ceil: RATE, burst: 1 << 20, cburst: 1 << 20 };
const NOTHING: Shape = Shape { rate: BytesPerDay(0), ..SHAPE };

/// Pool `default` with classes `shared`, which is the default, `two`, which takes two VMs, and `lab`, which only
/// namespace `lab` may use.
pub(crate) fn config() -> NodeConfig {
    let source = SourceConfig {
        name: "kernel".to_owned(),
        kind: SourceKind::Kernel,
        tier: 0,
        capacity: None,
        min_entropy_thousandths: None,
        credit_nested: false,
        health_tests: [].into(),
    };
    let lab = Namespaces::Only(["lab".to_owned()].into());
    let pool = PoolConfig {
        name: "default".to_owned(),
        sources: vec![source],
        output: Output::Stretched,
        min_healthy_sources: 1,
        on_source_failure: OnSourceFailure::Hold,
        shape: SHAPE,
        default_class: "shared".to_owned(),
        classes: vec![
            class("lab", None, lab),
            class("shared", None, Namespaces::All),
            class("two", Some(2), Namespaces::All),
        ],
        namespaces: Namespaces::All,
    };
    NodeConfig { pools: vec![pool], pod_info_on_mount: Some(true) }
}

fn class(name: &str, max_vms: Option<u32>, namespaces: Namespaces) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: None,
        shape: NOTHING,
        prio: 4,
        weight: 100,
        per_vm: NOTHING,
        max_connections: ClassConfig::DEFAULT_MAX_CONNECTIONS,
        per_namespace: NamespaceBound::default(),
        max_vms,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
        allow_degraded: false,
        namespaces,
    }
}
