//! Objects as a person reads them.

use std::fmt::Display;

use api::{Condition, ConditionStatus, ConditionType, EntropyClass, EntropyPool, NodeCount};

use crate::render::Table;

/// One line a pool, and below it what is wrong.
pub(super) fn pools(pools: &[EntropyPool]) -> String {
    let mut table = Table::new(&[
        "NAME",
        "READY",
        ">NODES",
        ">VMS",
        ">RATE",
        ">PROMISED",
        ">AVAILABLE",
        "OUTPUT",
        "DEFAULT CLASS",
    ]);
    let mut wrong = String::new();
    for pool in pools {
        let status = pool.status.clone().unwrap_or_default();
        let name = pool.metadata.name.clone().unwrap_or_default();
        let assured = status.assured.unwrap_or_default();
        wrong.push_str(&why("pool", &name, &status.conditions));
        table.row([
            name,
            ready(&status.conditions),
            nodes(status.nodes),
            shown(status.vms),
            shown(status.effective.and_then(|effective| effective.rate)),
            assured.promised,
            assured.available,
            format!("{:?}", pool.spec.output),
            pool.spec.default_class.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.or("There are no pools: `kubectl apply` an EntropyPool; `spec: {}` is one that serves.") + &wrong
}

/// One line a class, and below it what is wrong.
pub(super) fn classes(classes: &[EntropyClass]) -> String {
    let mut table = Table::new(&[
        "POOL",
        "NAME",
        "PARENT",
        "READY",
        ">NODES",
        ">VMS",
        ">SLOTS",
        ">RATE",
        ">CEIL",
        ">PROMISED",
    ]);
    let mut wrong = String::new();
    for class in classes {
        let status = class.status.clone().unwrap_or_default();
        let name = class.metadata.name.clone().unwrap_or_default();
        let effective = status.effective.unwrap_or_default();
        wrong.push_str(&why("class", &name, &status.conditions));
        table.row([
            class.spec.pool.clone(),
            name,
            class.spec.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
            ready(&status.conditions),
            nodes(status.nodes),
            shown(status.vms),
            shown(effective.max_vms),
            shown(effective.rate),
            shown(effective.ceil),
            status.assured.unwrap_or_default().promised,
        ]);
    }
    table.or("There are no classes; a pool without one serves all its VMs alike.") + &wrong
}

fn find(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == ConditionType::Ready)
}

fn ready(conditions: &[Condition]) -> String {
    find(conditions).map_or_else(|| "unknown".to_owned(), |condition| format!("{:?}", condition.status))
}

/// Programmed of selected.
fn nodes(count: Option<NodeCount>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| format!("{}/{}", count.programmed, count.selected))
}

fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn why(kind: &str, name: &str, conditions: &[Condition]) -> String {
    let bad = find(conditions).filter(|condition| condition.status != ConditionStatus::True);
    bad.map_or_else(String::new, |condition| {
        format!("\n{kind} {name}: {:?}: {}\n", condition.reason, condition.message)
    })
}
