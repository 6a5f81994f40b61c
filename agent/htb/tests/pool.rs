//! Pools: who is admitted, what namespaces and members are assured, and what a new configuration changes.
#![allow(clippy::unwrap_used)]

use htb::pool::{
    Admission, AdmissionError, ClassParams, ConfigureError, Fairness, NamespaceBound, PoolParams, PoolShaper,
    Shape, default_burst, members_that_fit,
};
use htb::{Decision, NodeId, Rate, Tick};

const NOW: Tick = Tick(0);

fn ki(count: u64) -> Rate {
    Rate::per_second(count * 1024)
}

fn shape(rate: u64, ceil: u64) -> Shape {
    Shape { rate: ki(rate), ceil: ki(ceil), burst: default_burst(ki(rate)), cburst: default_burst(ki(ceil)) }
}

fn class(name: &str) -> ClassParams {
    ClassParams {
        name: name.to_owned(),
        parent: None,
        shape: shape(64, 128),
        prio: 4,
        weight: 100,
        per_vm: shape(1, 64),
        per_namespace: NamespaceBound::default(),
        max_vms: None,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
    }
}

fn params(classes: impl IntoIterator<Item = ClassParams>) -> PoolParams {
    let classes: Vec<_> = classes.into_iter().collect();
    PoolParams { root: shape(512, 512), default_class: classes[0].name.clone(), classes }
}

fn pool(classes: impl IntoIterator<Item = ClassParams>) -> PoolShaper {
    PoolShaper::new(&params(classes), NOW).unwrap()
}

fn members(pool: &mut PoolShaper, count: usize, namespace: &str, class: &str) -> Vec<NodeId> {
    (0..count).map(|_| pool.attach(namespace, class, NOW).unwrap()).collect()
}

fn refusal(pool: &mut PoolShaper, namespace: &str, class: &str) -> String {
    pool.attach(namespace, class, NOW).unwrap_err().to_string()
}

fn rate(pool: &PoolShaper, node: NodeId) -> Rate {
    pool.tree().params(node).rate
}

fn namespace_node(pool: &PoolShaper, class: &str, namespace: &str) -> NodeId {
    pool.namespaces(class).find(|view| view.name == namespace).unwrap().node.unwrap()
}

#[test]
fn a_full_class_reports_its_limit() {
    let mut pool = pool([ClassParams { max_vms: Some(40), ..class("gold") }]);
    members(&mut pool, 40, "a", "gold");
    assert_eq!(refusal(&mut pool, "a", "gold"), "class gold has 40 of 40 VMs on this host");
}

#[test]
fn a_full_namespace_reports_its_limit_and_leaves_room_for_others() {
    let bound = NamespaceBound { max_vms: Some(2), ..NamespaceBound::default() };
    let mut pool = pool([ClassParams { per_namespace: bound, ..class("gold") }]);
    members(&mut pool, 2, "a", "");
    assert_eq!(refusal(&mut pool, "a", ""), "namespace a has 2 of 2 VMs in class gold on this host");
    members(&mut pool, 2, "b", "");
}

#[test]
fn nothing_is_promised_twice_under_strict_admission() {
    let bound = NamespaceBound { rate: Some(ki(3)), ..NamespaceBound::default() };
    let mut pool = pool([ClassParams { shape: shape(5, 64), per_namespace: bound, ..class("gold") }]);
    members(&mut pool, 3, "a", "gold");
    assert_eq!(
        refusal(&mut pool, "a", "gold"),
        "namespace a can be assured 3Ki/s of class gold on this host, and its 3 VMs and one more would need 1Ki/s each"
    );
    members(&mut pool, 2, "b", "gold");
    assert_eq!(
        refusal(&mut pool, "b", "gold"),
        "class gold is assured 5Ki/s on this host, and its 5 VMs and one more would need 1Ki/s each"
    );
    let error = pool.attach("b", "gold", NOW).unwrap_err();
    let (class, per_vm, rate) = ("gold".to_owned(), ki(1), ki(5));
    assert_eq!(error, AdmissionError::ClassRate { class, per_vm, members: 5, rate });
}

#[test]
fn a_refused_member_leaves_no_trace() {
    let mut pool = pool([ClassParams { max_vms: Some(0), ..class("gold") }]);
    refusal(&mut pool, "a", "gold");
    assert_eq!(pool.namespaces("gold").count(), 0);
    assert_eq!(refusal(&mut pool, "a", "tin"), "the pool has no class tin");
}

#[test]
fn a_namespace_has_a_node_while_it_has_members_with_the_sum_of_their_rates() {
    let mut pool = pool([class("gold")]);
    let leaves = members(&mut pool, 3, "a", "gold");
    let node = namespace_node(&pool, "gold", "a");
    assert_eq!(pool.tree().parent(leaves[0]), Some(node));
    assert_eq!((rate(&pool, node), pool.tree().params(node).ceil), (ki(3), ki(128)));
    pool.detach(leaves[0], NOW);
    assert_eq!(rate(&pool, node), ki(2));
    pool.detach(leaves[1], NOW);
    pool.detach(leaves[2], NOW);
    assert!(!pool.tree().contains(node));
    let view = pool.classes().next().unwrap();
    assert_eq!((view.name, view.members, view.assured, view.deleted), ("gold", 0, Rate::ZERO, false));
}

#[test]
fn a_namespace_is_assured_its_rate_as_far_as_the_class_has_it() {
    let bound = NamespaceBound { rate: Some(ki(16)), ceil: Some(ki(32)), max_vms: None };
    let mut pool = pool([ClassParams { shape: shape(40, 128), per_namespace: bound, ..class("gold") }]);
    members(&mut pool, 4, "a", "gold");
    let a = namespace_node(&pool, "gold", "a");
    assert_eq!((rate(&pool, a), pool.tree().params(a).ceil), (ki(16), ki(32)));
    for namespace in ["b", "c"] {
        members(&mut pool, 4, namespace, "gold");
    }
    // 12Ki are the members'; 36Ki more are wished for and 28Ki are left.
    for namespace in ["a", "b", "c"] {
        let node = namespace_node(&pool, "gold", namespace);
        assert_eq!(rate(&pool, node).0, ki(4).0 + ki(28).0 / 3);
    }
}

#[test]
fn proportional_members_shrink_and_grow_together() {
    let mut pool =
        pool([ClassParams { shape: shape(3, 64), admission: Admission::Proportional, ..class("gold") }]);
    let leaves = members(&mut pool, 4, "a", "gold");
    let other = members(&mut pool, 3, "b", "gold");
    let shrunk = Rate(ki(3).0 / 7);
    assert!(leaves.iter().chain(&other).all(|&leaf| rate(&pool, leaf) == shrunk));
    assert_eq!(rate(&pool, namespace_node(&pool, "gold", "a")).0, 4 * shrunk.0);
    for leaf in other {
        pool.detach(leaf, NOW);
    }
    assert!(leaves.iter().all(|&leaf| rate(&pool, leaf).0 == ki(3).0 / 4));
    pool.detach(leaves[0], NOW);
    assert!(leaves[1..].iter().all(|&leaf| rate(&pool, leaf) == ki(1)));
}

#[test]
fn fairness_among_vms_weighs_namespace_nodes_by_members() {
    let plain = ClassParams { fairness: Fairness::Vm, ..class("gold") };
    let mut pool = pool([plain.clone()]);
    let leaves = members(&mut pool, 3, "a", "gold");
    let gold = pool.classes().next().unwrap().node;
    assert_eq!(pool.tree().parent(leaves[0]), Some(gold));
    let bound = NamespaceBound { ceil: Some(ki(8)), ..NamespaceBound::default() };
    pool.configure(&params([ClassParams { per_namespace: bound, ..plain.clone() }]), NOW).unwrap();
    let node = namespace_node(&pool, "gold", "a");
    assert_eq!(pool.tree().parent(leaves[2]), Some(node));
    assert_eq!((pool.tree().params(node).weight, pool.tree().params(node).ceil), (3, ki(8)));
    pool.configure(&params([plain]), NOW).unwrap();
    assert!(!pool.tree().contains(node));
    assert_eq!(pool.tree().parent(leaves[2]), Some(gold));
}

#[test]
fn a_member_moves_with_its_debt_and_backlog() {
    let mut pool = pool([class("gold"), ClassParams { max_vms: Some(1), ..class("tin") }]);
    let leaves = members(&mut pool, 2, "a", "gold");
    pool.tree_mut().enqueue(leaves[0], 100, NOW);
    pool.tree_mut().charge(leaves[0], 5000, NOW);
    pool.move_to(leaves[0], "tin", NOW).unwrap();
    let stats = pool.tree().stats(leaves[0], NOW);
    assert_eq!((stats.backlog, stats.tokens), (100, 1024 - 5000));
    assert_eq!((pool.class_of(leaves[0]), pool.namespace_of(leaves[0])), ("tin", "a"));
    assert_eq!(pool.classes().map(|view| view.members).collect::<Vec<_>>(), [1, 1]);
    let refused = pool.move_to(leaves[1], "tin", NOW).unwrap_err().to_string();
    assert_eq!(refused, "class tin has 1 of 1 VMs on this host");
    assert_eq!(pool.class_of(leaves[1]), "gold");
    pool.move_to(leaves[0], "tin", NOW).unwrap(); // where it is already: no room is asked for
    pool.move_to(leaves[0], "", NOW).unwrap();
    assert_eq!(pool.namespaces("tin").count(), 0);
}

#[test]
fn a_deleted_class_stays_for_its_members_and_accepts_no_more() {
    let mut pool = pool([class("gold"), class("tin")]);
    let leaf = members(&mut pool, 1, "a", "tin")[0];
    pool.configure(&params([class("gold")]), NOW).unwrap();
    let tin = pool.classes().find(|view| view.name == "tin").unwrap();
    assert!(tin.deleted && tin.members == 1);
    let refused = refusal(&mut pool, "a", "tin");
    assert_eq!(refused, "class tin has been deleted, and is kept only for the VMs that it still has");
    pool.tree_mut().enqueue(leaf, 10, NOW);
    assert_eq!(pool.tree_mut().dequeue(NOW, 255), Decision::Grant { leaf, bytes: 10 });
    pool.configure(&params([class("gold"), class("tin")]), NOW).unwrap();
    pool.attach("a", "tin", NOW).unwrap();
    pool.configure(&params([class("gold")]), NOW).unwrap();
    pool.move_to(leaf, "gold", NOW).unwrap();
    assert_eq!(pool.classes().count(), 2, "one is left");
}

#[test]
fn a_deleted_class_is_removed_with_its_last_member_and_so_is_its_parent() {
    let child = ClassParams { parent: Some("paid".to_owned()), ..class("tin") };
    let mut pool = pool([class("gold"), class("paid"), child]);
    let leaf = members(&mut pool, 1, "a", "tin")[0];
    pool.configure(&params([class("gold")]), NOW).unwrap();
    assert_eq!(pool.classes().count(), 3);
    pool.detach(leaf, NOW);
    assert_eq!(pool.classes().map(|view| view.name).collect::<Vec<_>>(), ["gold"]);
}

#[test]
fn parent_and_child_can_be_swapped_while_they_serve() {
    let under = |name: &str, parent: &str| ClassParams { parent: Some(parent.to_owned()), ..class(name) };
    let mut pool = pool([class("a"), under("b", "a"), under("c", "b")]);
    let leaf = members(&mut pool, 1, "n", "c")[0];
    pool.tree_mut().enqueue(leaf, 1000, NOW);
    pool.configure(&params([class("c"), under("b", "c"), under("a", "b")]), NOW).unwrap();
    let node = |name: &str| pool.classes().find(|view| view.name == name).unwrap().node;
    let parents = ["a", "b", "c"].map(|name| pool.tree().parent(node(name)));
    assert_eq!(parents, [Some(node("b")), Some(node("c")), Some(pool.tree().root())]);
    assert_eq!(pool.tree_mut().dequeue(NOW, 255), Decision::Grant { leaf, bytes: 255 });
}

#[test]
fn an_invalid_configuration_changes_nothing() {
    let mut pool = pool([class("gold")]);
    let unknown = ClassParams { parent: Some("tin".to_owned()), ..class("iron") };
    let fault = |classes, default: &str| PoolParams { default_class: default.to_owned(), ..params(classes) };
    let cases = [
        (fault(vec![class("a"), unknown], "a"), "class iron names parent tin, which does not precede it"),
        (fault(vec![class("a"), class("a")], "a"), "there are two classes named a"),
        (fault(vec![class("a")], "b"), "the default class b is not among the classes of the pool"),
        (fault(vec![class("")], ""), "a class has no name"),
    ];
    for (params, sentence) in cases {
        let error: ConfigureError = pool.configure(&params, NOW).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        assert_eq!(pool.classes().map(|view| view.name).collect::<Vec<_>>(), ["gold"]);
    }
}

#[test]
fn a_new_configuration_applies_to_existing_members() {
    let mut pool = pool([class("gold")]);
    let leaf = members(&mut pool, 1, "a", "gold")[0];
    pool.tree_mut().charge(leaf, 2000, NOW);
    let changed = ClassParams { shape: shape(32, 32), per_vm: shape(2, 16), ..class("gold") };
    pool.configure(&params([changed]), NOW).unwrap();
    assert_eq!(pool.tree().params(leaf).rate, ki(2));
    assert_eq!(pool.tree().params(namespace_node(&pool, "gold", "a")).ceil, ki(32));
    assert_eq!(pool.tree().stats(leaf, NOW).tokens, 1024 - 2000, "its debt stays");
}

#[test]
fn the_arithmetic_of_promises() {
    assert_eq!(default_burst(Rate(1)), 1024);
    assert_eq!(default_burst(ki(1024)), 10_485);
    assert_eq!(members_that_fit(ki(64), ki(1)), 64);
    assert_eq!(members_that_fit(ki(64), Rate(ki(1).0 + 1)), 63);
    assert_eq!(members_that_fit(ki(64), Rate::ZERO), u32::MAX);
}
