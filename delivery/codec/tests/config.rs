//! A configuration survives its way, and what is wrong with one is said.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use delivery::{
    Admission, BytesPerDay, ClassConfig, EncodedResource, Fairness, HealthTest, NamespaceBound, Namespaces,
    NodeConfig, OnSourceFailure, Output, PoolConfig, ResourceName, ResourceSet, Shape, SourceConfig,
    SourceKind, Version,
};
use entropool_codec::{Bytes, decode, decode_persisted, decode_pools, encode, encode_persisted};

fn shape(rate: u64) -> Shape {
    Shape { rate: BytesPerDay(rate), ceil: BytesPerDay(rate * 2), burst: 1_024, cburst: 4_096 }
}

fn class(name: &str, parent: Option<&str>) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        shape: shape(10_000),
        prio: 4,
        weight: 100,
        per_vm: shape(0),
        max_connections: 1024,
        per_namespace: NamespaceBound { ceil: Some(BytesPerDay(7)), ..NamespaceBound::default() },
        max_vms: Some(0),
        admission: Admission::Proportional,
        fairness: Fairness::Vm,
        allow_degraded: true,
        namespaces: Namespaces::Only(BTreeSet::from(["shop".to_owned()])),
    }
}

fn source(name: &str, kind: SourceKind) -> SourceConfig {
    SourceConfig {
        name: name.to_owned(),
        kind,
        tier: 1,
        capacity: Some(BytesPerDay(u64::MAX)),
        min_entropy_thousandths: Some(8000),
        credit_nested: false,
        health_tests: BTreeSet::from([HealthTest::Sp80090b, HealthTest::Fips1402]),
    }
}

fn pool(name: &str, classes: Vec<ClassConfig>) -> PoolConfig {
    let path = || "/dev/x".to_owned();
    PoolConfig {
        name: name.to_owned(),
        sources: vec![
            source("cpu", SourceKind::Cpu { instruction: "RDSEED".to_owned() }),
            SourceConfig { credit_nested: true, ..source("device", SourceKind::Device { path: path() }) },
            source("file", SourceKind::File { path: path() }),
            source("kernel", SourceKind::Kernel),
            source("tcp", SourceKind::EgdTcp { address: "egd.example:708".to_owned() }),
            SourceConfig { credit_nested: true, ..source("unix", SourceKind::EgdUnix { path: path() }) },
        ],
        output: Output::FullEntropy,
        min_healthy_sources: 2,
        on_source_failure: OnSourceFailure::Degrade,
        shape: shape(100_000),
        default_class: classes[0].name.clone(),
        classes,
        namespaces: Namespaces::All,
    }
}

/// Siblings by name, parents before children.
fn config() -> NodeConfig {
    let inherits = ClassConfig { namespaces: Namespaces::All, ..class("z", Some("b")) };
    let classes = vec![class(ClassConfig::IMPLICIT, None), class("b", None), class("a", Some("b")), inherits];
    NodeConfig {
        pools: vec![pool("first", classes), pool("second", vec![class("gold", None)])],
        pod_info_on_mount: Some(true),
    }
}

fn without(content: &ResourceSet<Bytes>, name: &str) -> ResourceSet<Bytes> {
    content
        .items()
        .filter(|(own, _)| &***own != name)
        .map(|(name, item)| (ResourceName::clone(name), item.clone()))
        .collect()
}

#[test]
fn a_configuration_comes_back_as_it_was() {
    let config = config();
    assert_eq!(decode(&encode(&config)), Ok(config));
}

#[test]
fn an_older_controller_says_nothing_of_the_kubelet_s_word() {
    let told = decode(&without(&encode(&config()), "node")).unwrap();
    assert_eq!(told, NodeConfig { pod_info_on_mount: None, ..config() });
}

#[test]
fn nothing_is_a_configuration_too() {
    let content = encode(&NodeConfig::default());
    assert!(content.is_empty());
    assert_eq!(decode(&content), Ok(NodeConfig::default()));
}

#[test]
fn an_edit_of_a_class_changes_one_resource_and_few_bytes() {
    let old = config();
    let mut new = old.clone();
    new.pools[0].classes[1].weight = 300;
    let delta = encode(&new).delta_from(&encode(&old));
    assert_eq!(delta.changed.len(), 1);
    assert_eq!(&*delta.changed[0].0, "class/first/b");
    assert!(delta.changed[0].1.body.len() <= 120, "{} bytes", delta.changed[0].1.body.len());
    assert!(delta.removed.is_empty());
}

#[test]
fn a_namespace_of_the_pool_is_no_news_of_the_classes_that_inherit() {
    let mut old = config();
    let names = |names: &[&str]| Namespaces::Only(names.iter().map(|name| (*name).to_owned()).collect());
    let mut new = old.clone();
    for (config, namespaces) in [(&mut old, names(&["a"])), (&mut new, names(&["a", "b"]))] {
        config.pools[1].namespaces = namespaces.clone();
        config.pools[1].classes[0].namespaces = namespaces;
    }
    let delta = encode(&new).delta_from(&encode(&old));
    let changed: Vec<_> = delta.changed.iter().map(|(name, _)| &**name).collect();
    assert_eq!(changed, ["pool/second"]);
}

#[test]
fn what_is_missing_is_named() {
    let whole = encode(&config());
    let said = |name| decode(&without(&whole, name)).unwrap_err().to_string();
    assert_eq!(said("pool/second"), "class gold belongs to pool second, which is not in the configuration");
    assert_eq!(
        said("class/second/gold"),
        "pool second has no class gold, which it names as its default class"
    );
    assert_eq!(
        said("class/first/b"),
        "class a of pool first is not below the root of the pool: a parent is missing or forms a cycle"
    );
}

#[test]
fn a_class_below_itself_is_refused() {
    let mut config = config();
    config.pools[0].classes[1].parent = Some("z".to_owned());
    let refused = decode(&encode(&config)).unwrap_err();
    assert_eq!(refused.reason(), "ConfigIncomplete");
}

#[test]
fn a_value_out_of_range_is_named_with_its_resource() {
    let mut wrong = config();
    wrong.pools[0].classes[1].prio = 8;
    assert_eq!(
        decode(&encode(&wrong)).unwrap_err().to_string(),
        "class/first/b: prio is 8: it must be 0 to 7"
    );
    let mut wrong = config();
    wrong.pools[1].classes[0].weight = 0;
    assert_eq!(
        decode(&encode(&wrong)).unwrap_err().to_string(),
        "class/second/gold: weight is 0: it must be 1 to 10000"
    );
    for connections in [0, 1025] {
        let mut wrong = config();
        wrong.pools[1].classes[0].max_connections = connections;
        assert_eq!(
            decode(&encode(&wrong)).unwrap_err().to_string(),
            format!("class/second/gold: max_connections is {connections}: it must be 1 to 1024")
        );
    }
}

#[test]
fn a_pool_that_is_not_understood_takes_no_other_with_it() {
    let mut wrong = config();
    wrong.pools[0].classes[1].prio = 8;
    let decoded = decode_pools(&encode(&wrong)).unwrap();
    let names = |config: &NodeConfig| config.pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&decoded.config), ["second"]);
    assert_eq!(decoded.config.pod_info_on_mount, config().pod_info_on_mount);
    let [(pool, error)] = &decoded.undecoded[..] else { panic!("{:?}", decoded.undecoded) };
    assert_eq!(
        (&**pool, error.to_string()),
        ("first", "class/first/b: prio is 8: it must be 0 to 7".to_owned())
    );
    // Neither does a class whose pool is missing.
    let decoded = decode_pools(&without(&encode(&config()), "pool/second")).unwrap();
    assert_eq!((names(&decoded.config), decoded.undecoded.len()), (vec!["first".to_owned()], 1));
}

#[test]
fn a_resource_of_a_kind_to_come_is_passed_over() {
    let known = encode(&config());
    // Field 99, a length-delimited one, of a body.
    let item = EncodedResource {
        hash: delivery::Hash([9; 16]),
        body: Bytes::from_static(&[0x9a, 0x06, 0x01, 0x00]),
    };
    let added = known.items().map(|(name, item)| (ResourceName::clone(name), item.clone()));
    let content: ResourceSet<_> = added.chain([(ResourceName::from("quota/shop"), item)]).collect();
    assert_eq!(decode(&content), Ok(config()));
}

#[test]
fn a_body_that_is_cut_short_is_refused() {
    let cut = |(name, item): (&ResourceName, &EncodedResource<Bytes>)| {
        (
            ResourceName::clone(name),
            EncodedResource { hash: item.hash, body: item.body.slice(..item.body.len() - 1) },
        )
    };
    let content: ResourceSet<_> = encode(&config()).items().map(cut).collect();
    assert!(decode(&content).is_err());
}

#[test]
fn what_was_kept_comes_back_with_what_nobody_understood() {
    let odd = EncodedResource {
        hash: delivery::Hash([9; 16]),
        body: Bytes::from_static(&[0x9a, 0x06, 0x01, 0x00]),
    };
    let content = encode(&config());
    let added = content.items().map(|(name, item)| (ResourceName::clone(name), item.clone()));
    let content: ResourceSet<_> = added.chain([(ResourceName::from("quota/shop"), odd)]).collect();
    let version: Version =
        [(delivery::WatchedKind::POOLS, 7), (delivery::WatchedKind(77), 1)].into_iter().collect();
    assert_eq!(decode_persisted(&encode_persisted(&version, &content)), Ok((version, content)));
    assert!(decode_persisted(b"garbage").is_err());
}
