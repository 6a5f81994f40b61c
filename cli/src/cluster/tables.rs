//! The tables of objects.

use std::fmt::Display;

use api::{Condition, ConditionStatus, ConditionType, EntropyClass, EntropyPool, NodeCount};

use crate::output::Table;

/// One row per pool, and below the table why some are not ready.
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
    let mut not_ready = String::new();
    for pool in pools {
        let status = pool.status.clone().unwrap_or_default();
        let name = pool.metadata.name.clone().unwrap_or_default();
        let assured = status.assured.unwrap_or_default();
        not_ready.push_str(&why_not_ready("pool", &name, &status.conditions));
        table.row([
            name,
            ready(&status.conditions),
            nodes(status.nodes),
            or_dash(status.vms),
            or_dash(status.effective.and_then(|effective| effective.rate)),
            assured.promised,
            assured.available,
            format!("{:?}", pool.spec.output),
            pool.spec.default_class.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.or("There are no pools: apply an EntropyPool; `spec: {}` is enough for one that serves.")
        + &not_ready
}

/// One row per class, and below the table why some are not ready.
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
    let mut not_ready = String::new();
    for class in classes {
        let status = class.status.clone().unwrap_or_default();
        let name = class.metadata.name.clone().unwrap_or_default();
        let effective = status.effective.unwrap_or_default();
        not_ready.push_str(&why_not_ready("class", &name, &status.conditions));
        table.row([
            class.spec.pool.clone(),
            name,
            class.spec.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
            ready(&status.conditions),
            nodes(status.nodes),
            or_dash(status.vms),
            or_dash(effective.max_vms),
            or_dash(effective.rate),
            or_dash(effective.ceil),
            status.assured.unwrap_or_default().promised,
        ]);
    }
    table.or("There are no classes; a pool without classes serves all its VMs alike.") + &not_ready
}

fn find(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == ConditionType::Ready)
}

fn ready(conditions: &[Condition]) -> String {
    find(conditions).map_or_else(|| "unknown".to_owned(), |condition| format!("{:?}", condition.status))
}

/// `programmed/selected`.
fn nodes(count: Option<NodeCount>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| format!("{}/{}", count.programmed, count.selected))
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn why_not_ready(kind: &str, name: &str, conditions: &[Condition]) -> String {
    let condition = find(conditions).filter(|condition| condition.status != ConditionStatus::True);
    condition.map_or_else(String::new, |condition| {
        format!("\n{kind} {name}: {:?}: {}\n", condition.reason, condition.message)
    })
}
