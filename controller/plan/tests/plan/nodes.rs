//! The configuration of each node.

use std::sync::Arc;

use delivery::{Namespaces, NodeConfig, PoolConfig};

use crate::cluster::Cluster;

const RACK_A: &[(&str, &str)] = &[("rack", "a")];
const RACK_B: &[(&str, &str)] = &[("rack", "b")];

fn racks() -> Cluster {
    Cluster::of_nodes([("a1", RACK_A), ("a2", RACK_A), ("b1", RACK_B), ("bare", &[])])
}

fn pool<'a>(config: &'a NodeConfig, name: &str) -> Option<&'a PoolConfig> {
    config.pools.iter().find(|pool| pool.name == name)
}

#[test]
fn a_pool_runs_on_the_nodes_that_its_selector_matches() {
    let plan = racks()
        .write("pool all: {}\npool a: {nodeSelector: {rack: a}}\npool none: {nodeSelector: {rack: z}}")
        .plan();
    let names = |node: &str| -> Vec<&str> { plan.nodes[node].pools.iter().map(|pool| &*pool.name).collect() };
    assert_eq!([names("a1"), names("b1"), names("bare")], [vec!["a", "all"], vec!["all"], vec!["all"]]);
    assert_eq!((plan.pools["a"].nodes, plan.pools["all"].nodes, plan.pools["none"].nodes), (2, 4, 0));
}

#[test]
fn nodes_that_serve_the_same_share_one_config() {
    let plan = racks().write("pool all: {}\npool a: {nodeSelector: {rack: a}}").plan();
    assert!(Arc::ptr_eq(&plan.nodes["a1"], &plan.nodes["a2"]));
    assert!(Arc::ptr_eq(&plan.nodes["b1"], &plan.nodes["bare"]));
}

#[test]
fn each_rack_has_its_appliance_and_shares_it() {
    let rack = |name: &str, capacity: &str| {
        format!(
            "{{name: {name}, egd: {{tcp: '{name}:708'}}, nodeSelector: {{rack: {name}}}, capacity: {{shared: {capacity}}}, minEntropyPerByte: '5'}}"
        )
    };
    let sources = [rack("a", "2000/s"), rack("b", "600/s")].join(", ");
    let cluster = racks().write(&format!("pool default: {{output: FullEntropy, sources: [{sources}]}}"));
    let plan = cluster.plan();
    // 2000/s between two nodes, 32 of 64 bytes: 500/s each. 600/s for one: 300/s, which is what may be promised. One block in
    // 32,769 is not served.
    let rates = ["a1", "b1"].map(|node| pool(&plan.nodes[node], "default").unwrap().shape.rate.0);
    assert_eq!(rates, [500, 300].map(|rate: u64| rate * 86_400 * 32_768 / 32_769));
    let effective = plan.pools["default"].effective.as_ref().unwrap().rate.as_ref().unwrap().bytes_per_day();
    assert_eq!(effective, rates[1]);
    let used: Vec<_> =
        pool(&plan.nodes["b1"], "default").unwrap().sources.iter().map(|source| &*source.name).collect();
    assert_eq!(used, ["b"]);
    // A node without an appliance is left out, and a standing problem says so.
    assert_eq!(pool(&plan.nodes["bare"], "default"), None);
    assert_eq!(plan.pools["default"].nodes, 3);
    insta::assert_snapshot!(cluster.messages().join("\n"));
    let over = cluster.write("class gold: {pool: default, rate: 301/s}");
    assert_eq!(over.reasons().len(), 1);
}

#[test]
fn only_the_lowest_tier_of_assessed_sources_may_be_promised() {
    let device = |name: &str, more: &str| {
        format!("{{name: {name}, device: {{path: /dev/{name}}}, minEntropyPerByte: '8', {more}}}")
    };
    let rate = |sources: &[String], output: &str| {
        let sources = sources.join(", ");
        let cluster = racks().write(&format!("pool default: {{output: {output}, sources: [{sources}]}}"));
        assert_eq!(cluster.messages(), [""; 0]);
        let plan = cluster.plan();
        let rate = plan.pools["default"].effective.as_ref().unwrap().rate.as_ref().unwrap().bytes_per_day();
        // The block in 32,769 that is not served does not matter here.
        rate.div_ceil(86_400)
    };
    let first = device("first", "capacity: {perNode: 1000/s}");
    let second = device("second", "capacity: {perNode: 500/s}");
    let spare = device("spare", "tier: 1, capacity: {perNode: 9000/s}");
    let unknown = device("unknown", "tier: 0");
    let kernel = "{name: kernel, kernel: {}}".to_owned();
    // Two sources share a block: 20 bytes of each, and the slower one gives 500.
    assert_eq!(rate(&[first.clone(), second.clone(), spare.clone(), kernel.clone()], "FullEntropy"), 800);
    assert_eq!(rate(std::slice::from_ref(&first), "FullEntropy"), 800);
    assert_eq!(rate(&[first.clone(), second.clone(), spare, kernel.clone()], "Raw"), 1500);
    // An unknown source may be slower than the known one, and its speed gives no more.
    assert_eq!(rate(&[first.clone(), unknown.clone()], "FullEntropy"), 1600);
    assert_eq!(rate(&[first.clone(), unknown.clone()], "Raw"), 64 << 20);
    assert_eq!(rate(&[unknown], "FullEntropy"), 64 << 20);
    assert_eq!(rate(&[first, second, kernel], "Stretched"), 64 << 20);
}

#[test]
fn a_promise_is_never_beyond_what_the_sources_yield() {
    // H, capacity a second, and what 32 bytes for ⌈320/H⌉ samples are, less one block in 32,769.
    for (h, capacity, expected) in [
        ("7.8", 20_000, 15_237),
        ("8", 20_000, 15_999),
        ("6", 100_000, 59_257),
        ("1", 1_000_000, 99_996),
        ("0.001", 1_000_000, 99),
    ] {
        let pool = |rate: u64| {
            racks().write(&format!(
                "pool default: {{output: FullEntropy, rate: {rate}/s, sources: [{{name: trng, device: {{path: /dev/trng}}, \
                 minEntropyPerByte: '{h}', capacity: {{perNode: {capacity}/s}}}}]}}"
            ))
        };
        assert_eq!(pool(expected).messages(), [""; 0], "{h}");
        assert_eq!(pool(expected + 1).reasons().len(), 1, "{h}");
    }
}

#[test]
fn a_node_with_too_few_sources_to_ever_serve_is_left_out() {
    let source = |name: &str, more: &str| {
        format!("{{name: {name}, device: {{path: /dev/{name}}}, minEntropyPerByte: '8'{more}}}")
    };
    let (every, of_a) = (source("every", ""), source("a", ", nodeSelector: {rack: a}"));
    let kernel = "{name: kernel, kernel: {}}";
    let cluster = racks().write(&format!(
        "pool default: {{output: FullEntropy, minHealthySources: 2, sources: [{every}, {of_a}, {kernel}]}}"
    ));
    assert_eq!(cluster.plan().pools["default"].nodes, 2);
    insta::assert_snapshot!(cluster.messages().join("\n"), @"EntropyPool default: spec.nodeSelector: 2 of the selected nodes (b1, …) have fewer than 2 sources for FullEntropy output and do not serve the pool: add sources for them, or narrow nodeSelector (standing)");
}

#[test]
fn a_class_never_allows_a_namespace_that_its_pool_does_not_allow() {
    let only = |names: &[&str]| Namespaces::Only(names.iter().map(|name| (*name).to_owned()).collect());
    let cluster = Cluster::of_nodes([("n", &[])])
        .namespace("shop", &[("tier", "paid"), ("team", "a")])
        .namespace("blog", &[("tier", "paid")])
        .namespace("test", &[("team", "a")])
        .write(
            "pool open: {}
             pool paid: {allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: paid}}}}
             pool shut: {allowedNamespaces: {from: None}}
             class inherits: {pool: paid}
             class all: {pool: paid, allowedNamespaces: {from: All}}
             class team-a: {pool: paid, allowedNamespaces: {from: Selector, selector: {matchLabels: {team: a}}}}
             class nobody: {pool: open, allowedNamespaces: {from: None}}
             class anybody: {pool: open, allowedNamespaces: {from: Selector, selector: {}}}
             class not-shop: {pool: open, allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}}",
        );
    assert_eq!(cluster.messages(), [""; 0]);
    let plan = cluster.plan();
    let pools = &plan.nodes["n"].pools;
    let of = |name: &str| {
        let class = pools.iter().flat_map(|pool| &pool.classes).find(|class| class.name == name);
        class.unwrap().namespaces.clone()
    };
    assert_eq!(of("inherits"), only(&["shop", "blog"]));
    assert_eq!(of("all"), only(&["shop", "blog"]));
    assert_eq!(of("team-a"), only(&["shop"]));
    assert_eq!(of("nobody"), only(&[]));
    assert_eq!(of("anybody"), Namespaces::All);
    assert_eq!(of("not-shop"), only(&["blog"]));
    assert_eq!(
        pools.iter().map(|pool| pool.namespaces.contains("later")).collect::<Vec<_>>(),
        [true, false, false]
    );
}

#[test]
fn classes_come_parents_first_and_siblings_by_name() {
    let plan = racks()
        .write(
            "pool default: {}\nclass z: {pool: default}\nclass a: {pool: default, parent: z}
             class m: {pool: default, parent: a}\nclass b: {pool: default, parent: z}\nclass c: {pool: default}",
        )
        .plan();
    let names: Vec<_> = plan.nodes["a1"].pools[0].classes.iter().map(|class| &*class.name).collect();
    assert_eq!(names, [delivery::ClassConfig::IMPLICIT, "c", "z", "a", "m", "b"]);
}
