//! Accepted specs stay in effect over edits, restarts, deletions and new nodes.

use api::{ConditionStatus, Reason};

use crate::cluster::Cluster;

const SHOP: &str = "pool default: {rate: 30Ki/s}
    class paid: {pool: default, rate: 20Ki/s}
    class gold: {pool: default, parent: paid, rate: 10Ki/s}
    class silver: {pool: default, parent: paid, rate: 10Ki/s}
    class free: {pool: default, rate: 10Ki/s}";

fn shop() -> Cluster {
    let cluster = Cluster::host().write(SHOP);
    assert_eq!(cluster.messages(), [""; 0]);
    cluster.accept()
}

fn reasons(cluster: &Cluster) -> Vec<(String, Reason)> {
    cluster.reasons().into_iter().map(|(name, reason, _)| (name, reason)).collect()
}

fn one(name: &str, reason: Reason) -> [(String, Reason); 1] {
    [(name.to_owned(), reason)]
}

/// The edit is refused on that object alone and changes nothing else, even after every status was written and
/// read again.
fn changes_nothing_but_its_own_status(before: &Cluster, edit: &str, name: &str, reason: Reason) {
    let (was, edited) = (before.plan(), before.clone().write(edit));
    assert_eq!(reasons(&edited), one(name, reason), "{edit}");
    for cluster in [edited.clone(), edited.accept()] {
        let mut now = cluster.plan();
        assert_eq!(now.nodes, was.nodes, "{edit}");
        for (pool, plan) in was.pools.iter().filter(|(pool, _)| *pool != name) {
            assert_eq!(now.pools.remove(pool).as_ref(), Some(plan), "{edit}");
        }
        for (class, plan) in was.classes.iter().filter(|(class, _)| *class != name) {
            assert_eq!(now.classes.remove(class).as_ref(), Some(plan), "{edit}");
        }
    }
}

#[test]
fn a_refused_edit_changes_nothing_but_its_own_status() {
    let edits = [
        ("class free: {pool: default, rate: 11Ki/s}", "free", Reason::RateOverParent),
        ("class gold: {pool: default, parent: paid, rate: 11Ki/s}", "gold", Reason::RateOverParent),
        ("class gold: {pool: default, rate: 10Ki/s}", "gold", Reason::RateOverParent),
        ("class paid: {pool: default, rate: 19Ki/s}", "paid", Reason::RateOverParent),
        ("class paid: {pool: default}", "paid", Reason::RateOverParent),
        ("class paid: {pool: default, parent: gold, rate: 20Ki/s}", "paid", Reason::ParentCycle),
        ("class gold: {pool: default, parent: gone}", "gold", Reason::UnknownParent),
        ("pool default: {rate: 29Ki/s}", "default", Reason::RateOverParent),
        ("pool default: {rate: 30Ki/s, ceil: 1Ki/s}", "default", Reason::RateOverCeil),
        ("pool default: {rate: 30Ki/s, defaultClass: gone}", "default", Reason::UnknownClass),
        ("pool new: {rate: 2/s, ceil: 1/s}", "new", Reason::RateOverCeil),
        ("class new: {pool: default, rate: 1/s}", "new", Reason::RateOverParent),
    ];
    let before = shop();
    for (edit, name, reason) in edits {
        changes_nothing_but_its_own_status(&before, edit, name, reason);
    }
}

#[test]
fn a_class_cannot_change_its_pool() {
    let cluster = shop().write("pool other: {}\nclass free: {pool: other}");
    assert_eq!(reasons(&cluster), one("free", Reason::InvalidSpec));
}

#[test]
fn the_accepted_spec_and_its_generation_are_kept_until_another_is_accepted() {
    let bad = shop().write("class free: {pool: default, rate: 99Ki/s}").accept();
    let plan = &bad.plan().classes["free"];
    let accepted = plan.accepted_spec.as_ref().unwrap();
    assert_eq!((plan.generation, accepted.generation), (2, 1));
    assert_eq!(accepted.spec.rate.as_ref().unwrap().to_string(), "10Ki/s");
    let condition = plan.accepted_condition();
    assert_eq!((condition.status, condition.reason), (ConditionStatus::False, Reason::RateOverParent));
    assert!(condition.message.ends_with("Generation 1 stays in effect"), "{}", condition.message);

    let corrected = bad.write("class free: {pool: default, rate: 9Ki/s}").accept();
    let plan = &corrected.plan().classes["free"];
    assert_eq!(plan.accepted_spec.as_ref().unwrap().generation, 3);
    assert_eq!(plan.accepted_condition().status, ConditionStatus::True);
}

#[test]
fn an_edit_that_is_reverted_is_no_edit() {
    let reverted = shop()
        .write("class free: {pool: default, rate: 99Ki/s}")
        .accept()
        .write("class free: {pool: default, rate: 10Ki/s}");
    assert_eq!(reasons(&reverted), []);
    assert_eq!(reverted.plan().classes["free"].accepted_spec.as_ref().unwrap().generation, 3);
}

#[test]
fn an_edit_may_depend_on_another_that_comes_later_in_order() {
    // free, which is tried first, has room only after paid is lowered; paid can be lowered only after silver is.
    let cluster = shop().write(
        "class free: {pool: default, rate: 15Ki/s}
         class paid: {pool: default, rate: 15Ki/s}
         class silver: {pool: default, parent: paid, rate: 5Ki/s}",
    );
    assert_eq!(reasons(&cluster), []);
}

#[test]
fn parent_and_child_may_be_swapped() {
    let cluster = shop().delete("silver").write(
        "pool default: {rate: 40Ki/s}
         class gold: {pool: default, rate: 10Ki/s}
         class paid: {pool: default, parent: gold, rate: 10Ki/s}",
    );
    assert_eq!(reasons(&cluster), []);
}

#[test]
fn children_of_a_deleted_class_take_no_new_vm_and_report_why() {
    let cluster = shop().delete("paid");
    assert_eq!(reasons(&cluster), []);
    let plan = cluster.plan();
    let classes: Vec<_> = plan.nodes["host"].pools[0].classes.iter().map(|class| &*class.name).collect();
    assert_eq!(classes, [delivery::ClassConfig::IMPLICIT, "free"]);
    insta::assert_snapshot!(cluster.messages().join("\n"));
    // Their accepted specs are kept, and are in effect again when the parent is back.
    let back = cluster.accept().write("class paid: {pool: default, rate: 20Ki/s}");
    assert_eq!((back.messages(), back.plan().nodes["host"].pools[0].classes.len()), (vec![], 5));
}

#[test]
fn a_smaller_parent_that_comes_back_takes_the_children_that_fit() {
    let cluster = shop().delete("paid").accept().write("class paid: {pool: default, rate: 10Ki/s}");
    assert_eq!(reasons(&cluster), one("silver", Reason::RateOverParent));
    assert_eq!(reasons(&cluster.clone().accept()), one("silver", Reason::RateOverParent));
    insta::assert_snapshot!(cluster.messages().join("\n"));
}

#[test]
fn a_pool_that_comes_back_smaller_takes_the_classes_that_fit() {
    let cluster = shop().delete("default").accept();
    assert!(cluster.plan().nodes["host"].pools.is_empty());
    let back = cluster.write("pool default: {rate: 20Ki/s}");
    assert_eq!(reasons(&back), one("paid", Reason::RateOverParent));
    insta::assert_snapshot!(back.messages().join("\n"));
}

#[test]
fn a_vm_that_names_no_class_is_not_admitted_when_the_default_class_is_deleted() {
    let cluster = shop().write("pool default: {rate: 30Ki/s, defaultClass: free}").accept().delete("free");
    assert_eq!(reasons(&cluster), []);
    let plan = cluster.plan();
    let pool = &plan.nodes["host"].pools[0];
    let implicit = pool.classes.iter().find(|class| class.name == pool.default_class).unwrap();
    assert!(!implicit.namespaces.contains("shop"));
    insta::assert_snapshot!(cluster.messages().join("\n"));
}

#[test]
fn an_edit_is_not_refused_for_a_standing_problem() {
    let shared =
        "sources: [{name: rack, egd: {tcp: 'rack:708'}, capacity: {shared: 1000/s}, minEntropyPerByte: '8'}]";
    let pool = |more: &str| format!("pool default: {{output: FullEntropy, {shared}{more}}}\n");
    let mut cluster = Cluster::of_nodes([("a", &[])])
        .write(&pool(""))
        .write("class gold: {pool: default, rate: 499/s}\nclass free: {pool: default, rate: 300/s}");
    assert_eq!(cluster.messages(), [""; 0]);
    cluster = cluster.accept();
    cluster.snapshot.nodes.insert("b".to_owned(), plan::ClusterNode::default());
    // Two nodes halve what each may promise. That is a standing problem, and VMs are served in proportion.
    assert_eq!(reasons(&cluster), []);
    insta::assert_snapshot!(cluster.messages().join("\n"));
    let edits = [
        ("class gold: {pool: default, rate: 499/s, weight: 7}", None),
        ("class gold: {pool: default, rate: 498/s}", None),
        ("class gold: {pool: default, rate: 500/s}", Some("gold")),
        ("class new: {pool: default, rate: 1/d}", Some("new")),
        (&pool(", burst: 1Ki"), None),
        (&pool(", rate: 300/s"), Some("default")),
    ];
    for (edit, refused) in edits {
        let names: Vec<_> = cluster.clone().write(edit).reasons().into_iter().map(|it| it.0).collect();
        assert_eq!(names, Vec::from_iter(refused.map(str::to_owned)), "{edit}");
    }
}
