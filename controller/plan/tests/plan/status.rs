//! The status of objects, as it follows from the nodes' reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ConditionStatus, ConditionType, Reason};
use delivery::Output;
use plan::{
    Aggregates, ApplyState, ClassReport, NodeReport, NodeReports, NodeSupply, Plan, PoolReport,
    extended_resources,
};

use crate::cluster::Cluster;

const SHOP: &str = "pool default: {rate: 30Ki/s}
    class gold: {pool: default, rate: 16Ki/s, perVM: {rate: 1Ki/s}}
    class open: {pool: default}
    class loose: {pool: default, rate: 2Ki/s, perVM: {rate: 1Ki/s}, admission: Proportional}";

fn shop() -> Cluster {
    Cluster::of_nodes([("a", &[]), ("b", &[]), ("c", &[])]).write(SHOP)
}

fn supply(state: Reason, served: Option<Output>) -> NodeSupply {
    NodeSupply { sources: BTreeMap::from([("kernel".to_owned(), state)]), alarms: BTreeMap::new(), served }
}

/// A node that runs its configuration and has four gold VMs, one of which requested no slot.
fn good() -> NodeReport {
    let pool = PoolReport {
        apply_state: ApplyState::Running,
        supply: Some(supply(Reason::Healthy, Some(Output::Stretched))),
        classes: BTreeMap::from([("gold".to_owned(), ClassReport { vms: 4, without_slot: 1 })]).into(),
    };
    let pools = BTreeMap::from([("default".to_owned(), pool)]);
    NodeReport { connected: true, ready: true, pools, ..NodeReport::default() }
}

fn with_pool(change: impl FnOnce(&mut PoolReport)) -> NodeReport {
    let mut node = good();
    change(node.pools.get_mut("default").unwrap());
    node
}

fn reports_of<const N: usize>(nodes: [(&str, NodeReport); N]) -> NodeReports {
    nodes.into_iter().map(|(name, report)| (name.to_owned(), report)).collect()
}

/// Every condition of the pool and of gold, one a line.
fn conditions(plan: &Plan, reports: &NodeReports) -> Vec<String> {
    let aggregates = Aggregates::of(plan, reports);
    let none = plan::Aggregate::default();
    let pool = plan.pools["default"].status(aggregates.pools.get("default").unwrap_or(&none));
    let gold = plan.classes["gold"].status(&aggregates.classes["gold"], plan.pools.get("default"));
    let line = |what: &str, it: &api::Condition| {
        format!("{what} {:?} {:?} {}: {}", it.kind, it.status, it.reason, it.message)
    };
    let pools = pool.conditions.iter().map(|it| line("pool", it));
    pools.chain(gold.conditions.iter().map(|it| line("gold", it))).collect()
}

fn ready(reports: &NodeReports) -> (ConditionStatus, Reason) {
    let plan = shop().plan();
    let aggregates = Aggregates::of(&plan, reports);
    let status = plan.pools["default"].status(&aggregates.pools["default"]);
    let ready = status.conditions.iter().find(|it| it.kind == ConditionType::Ready).unwrap();
    (ready.status, ready.reason)
}

#[test]
fn every_state_of_nodes_has_its_message() {
    let away = NodeReport { connected: false, ..good() };
    let refused = with_pool(|pool| {
        pool.apply_state = ApplyState::Refused("ConfigNotUnderstood: class gold".to_owned());
    });
    let pending = with_pool(|pool| pool.apply_state = ApplyState::Pending);
    let failed = with_pool(|pool| pool.supply = Some(supply(Reason::HealthTestFailed, None)));
    let weak = with_pool(|pool| pool.supply = Some(supply(Reason::SourceUnavailable, Some(Output::Raw))));
    let cases = [
        ("no node has reported", reports_of([])),
        ("all nodes are fine", reports_of([("a", good()), ("b", good()), ("c", good())])),
        ("one is away and runs its configuration", reports_of([("a", good()), ("b", away), ("c", good())])),
        ("one has not answered", reports_of([("a", good()), ("b", pending), ("c", good())])),
        ("one never connected", reports_of([("a", good()), ("b", good())])),
        ("one refuses", reports_of([("a", good()), ("b", refused), ("c", good())])),
        ("two hold", reports_of([("a", good()), ("b", failed.clone()), ("c", failed)])),
        ("one degrades", reports_of([("a", good()), ("b", weak), ("c", good())])),
    ];
    let plan = shop().plan();
    let text =
        cases.map(|(what, reports)| format!("{what}:\n  {}", conditions(&plan, &reports).join("\n  ")));
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn vms_are_counted_over_all_nodes_and_never_named() {
    let plan = shop().plan();
    let aggregates = Aggregates::of(&plan, &reports_of([("a", good()), ("b", good()), ("gone", good())]));
    assert_eq!(
        (aggregates.pools["default"].vms, aggregates.classes["gold"].vms, aggregates.classes["open"].vms),
        (8, 8, 0)
    );
    assert_eq!((aggregates.classes["open"].selected, aggregates.classes["open"].programmed), (3, 2));
}

#[test]
fn a_refused_edit_of_a_pool_is_not_reported_on_its_classes() {
    let all = reports_of([("a", good()), ("b", good()), ("c", good())]);
    let before = conditions(&shop().accept().plan(), &all);
    let after = conditions(&shop().accept().write("pool default: {rate: 1Ki/s}").plan(), &all);
    let classes = |conditions: &[String]| {
        conditions.iter().filter(|line| line.starts_with("gold")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(classes(&before), classes(&after));
    assert!(after.iter().any(|line| line.starts_with("pool Ready False NotAccepted")), "{after:#?}");
}

#[test]
fn a_pool_without_a_node_is_not_ready() {
    let plan = Cluster::of_nodes([]).write(SHOP).plan();
    assert!(
        conditions(&plan, &NodeReports::new())
            .iter()
            .any(|line| line.starts_with("pool Ready False NoNodes"))
    );
    assert_eq!(ready(&reports_of([])), (ConditionStatus::False, Reason::NodesUnreachable));
}

#[test]
fn only_strict_classes_with_a_bound_have_slots_less_their_vms_without_one() {
    let plan = shop().plan();
    let counted = |report: Option<&NodeReport>| extended_resources(&plan.nodes["a"], report);
    assert_eq!(counted(None), BTreeMap::from([("entropool.io/gold".to_owned(), 16)]));
    assert_eq!(counted(Some(&good())), BTreeMap::from([("entropool.io/gold".to_owned(), 15)]));
    let overfull =
        with_pool(|pool| Arc::make_mut(&mut pool.classes).get_mut("gold").unwrap().without_slot = 99);
    assert_eq!(counted(Some(&overfull)), BTreeMap::from([("entropool.io/gold".to_owned(), 0)]));
}

#[test]
fn orphaned_vms_are_counted_over_all_nodes() {
    let with = |vms: &[(&str, &str, u32)]| NodeReport {
        orphaned: vms
            .iter()
            .map(|(pool, class, vms)| ((pool.to_string(), class.to_string()), *vms))
            .collect(),
        ..NodeReport::default()
    };
    let reports = [
        ("a".to_owned(), with(&[("default", "gold", 1)])),
        ("b".to_owned(), with(&[("default", "gold", 2), ("gone", "(default)", 1)])),
        ("c".to_owned(), with(&[])),
    ];
    let reports = reports.into();
    let conditions = plan::orphaned(&reports, |pool, class| format!("{pool}/{class}"));
    let conditions: Vec<_> = conditions.iter().map(|(which, all)| format!("{which}: {all}")).collect();
    let expected = ["default/gold: 3 VMs on 2 nodes (a, …)", "gone/(default): 1 VM on 1 node (b)"];
    assert_eq!(conditions, expected);
    let by_pool = plan::orphaned(&reports, |_, _| ());
    assert_eq!(by_pool[&()].to_string(), "4 VMs on 2 nodes (a, …)");
}
