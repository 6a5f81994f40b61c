use std::collections::BTreeSet;

use dataplane::{ClassSnapshot, Counters, NodeSnapshot, Overlimits, PoolSnapshot, WaitHistogram};
use delivery::{
    Admission, BytesPerDay, Fairness, NamespaceBound, Namespaces, OnSourceFailure, Output, Shape,
};
use htb::{Mode, Params, Rate, Stats, Tick};

use super::*;

const SHAPE: Shape = Shape { rate: BytesPerDay(0), ceil: BytesPerDay(1), burst: 0, cburst: 0 };

fn class(name: &str, parent: Option<&str>) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        shape: SHAPE,
        prio: 4,
        weight: 100,
        per_vm: SHAPE,
        max_connections: ClassConfig::DEFAULT_MAX_CONNECTIONS,
        per_namespace: NamespaceBound::default(),
        max_vms: None,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
        allow_degraded: false,
        namespaces: Namespaces::All,
    }
}

/// A pool with these classes, of which the first is its default.
fn pool(name: &str, classes: &[ClassConfig]) -> PoolConfig {
    PoolConfig {
        name: name.to_owned(),
        sources: vec![],
        output: Output::Stretched,
        min_healthy_sources: 1,
        on_source_failure: OnSourceFailure::Hold,
        shape: SHAPE,
        default_class: classes[0].name.clone(),
        classes: classes.to_vec(),
        namespaces: Namespaces::Only(BTreeSet::new()),
    }
}

fn config(pools: &[PoolConfig]) -> NodeConfig {
    NodeConfig { pools: pools.to_vec(), pod_info_on_mount: Some(true) }
}

/// A data plane with these pools and classes.
fn dataplane(pools: &[(&str, &[&str])]) -> DataPlaneSnapshot {
    let node = NodeSnapshot {
        params: Params { rate: Rate(0), ceil: Rate(1), burst: 0, cburst: 0, prio: 4, weight: 100 },
        stats: Stats {
            bytes: 0,
            grants: 0,
            borrowed: 0,
            lent: 0,
            overlimits: 0,
            backlog: 0,
            waiting_since: None,
            tokens: 0,
            ctokens: 0,
            mode: Mode::CanSend,
        },
    };
    let class = |name: &&str| ClassSnapshot {
        name: (*name).to_owned(),
        parent: None,
        closed: false,
        vms: 0,
        assured: Rate(0),
        node,
        waits: WaitHistogram::default(),
        namespaces: vec![],
    };
    let pool = |(name, classes): &(&str, &[&str])| PoolSnapshot {
        name: (*name).to_owned(),
        closed: false,
        default_class: String::new(),
        node,
        buffer: 0,
        overlimits: Overlimits::default(),
        classes: classes.iter().map(class).collect(),
        vms: vec![],
    };
    DataPlaneSnapshot { now: Tick(1), counters: Counters::default(), pools: pools.iter().map(pool).collect() }
}

fn names(pool: &PoolConfig) -> Vec<&str> {
    pool.classes.iter().map(|class| &*class.name).collect()
}

#[test]
fn a_class_that_the_data_plane_still_has_stays_with_its_parents() {
    let (any, top, below) = (class("any", None), class("top", None), class("below", Some("top")));
    let before = config(&[pool("p", &[any.clone(), top.clone(), below, class("empty", None)])]);
    let now = config(&[pool("p", &[any])]);
    let orphans = Orphans::remaining(&before, &now, &dataplane(&[("p", &["any", "top", "below"])]));
    assert_eq!(names(&orphans.0.pools[0]), ["any", "top", "below"]);
    let both = orphans.beside(&now);
    assert_eq!(names(&both.pools[0]), ["any", "top", "below"]);
    assert_eq!(both.pools[0].classes[2].parent.as_deref(), Some("top"));
    assert_eq!(both.pod_info_on_mount, Some(true));
}

#[test]
fn a_pool_that_the_data_plane_still_has_stays_with_its_classes() {
    let before = config(&[
        pool("gone", &[class("any", None), class("gold", None), class("empty", None)]),
        pool("p", &[class("any", None)]),
    ]);
    let now = config(&[pool("p", &[class("any", None)])]);
    let orphans = Orphans::remaining(&before, &now, &dataplane(&[("gone", &["gold"]), ("p", &["any"])]));
    assert_eq!(orphans.0.pools.len(), 1);
    let both = orphans.beside(&now);
    assert_eq!(names(&both.pools[1]), ["any", "gold"], "with the default class");
}

#[test]
fn a_data_plane_with_the_configuration_alone_has_no_orphans() {
    let before =
        config(&[pool("p", &[class("any", None), class("gold", None)]), pool("q", &[class("any", None)])]);
    let now = config(&[pool("p", &[class("any", None)])]);
    assert!(Orphans::remaining(&before, &now, &dataplane(&[("p", &["any"])])).is_empty());
    assert_eq!(Orphans::default().beside(&now), now);
}

#[test]
fn a_class_that_is_configured_again_has_the_configured_parameters() {
    let gold = |weight| ClassConfig { weight, ..class("gold", None) };
    let orphans = Orphans::new(config(&[pool("p", &[class("any", None), gold(1)])]));
    let both = orphans.beside(&config(&[pool("p", &[class("any", None), gold(2)])]));
    assert_eq!((names(&both.pools[0]), both.pools[0].classes[1].weight), (vec!["any", "gold"], 2));
}

#[test]
fn an_orphan_without_its_parent_becomes_a_child_of_the_root() {
    let before = config(&[pool("p", &[class("any", None), class("top", None), class("below", Some("top"))])]);
    let mut orphaned = before.pools[0].clone();
    orphaned.classes.remove(1);
    let both = Orphans::new(config(&[orphaned])).beside(&config(&[pool("p", &[class("any", None)])]));
    assert_eq!((names(&both.pools[0]), &both.pools[0].classes[1].parent), (vec!["any", "below"], &None));
}
