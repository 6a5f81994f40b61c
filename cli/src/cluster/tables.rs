//! The tables of objects.

use std::fmt::Display;

use anyhow::{Result, bail};
use api::names::GROUP;
use api::{Condition, ConditionStatus, ConditionType, EntropyClass, EntropyPool, NodeCount};

use kube::{Client, ResourceExt};
use serde_json::json;

use super::listing::Listing;
use super::objects;
use crate::output::{Layout, Table};

pub(super) async fn list_pools(client: &Client, layout: Layout) -> Result<Listing> {
    let all = objects::pools(client).await?;
    Ok(Listing {
        text: pools(&all, layout),
        document: json!({ "pools": all }),
        names: all.iter().map(|pool| format!("entropypool.{GROUP}/{}", pool.name_any())).collect(),
        errors: Vec::new(),
    })
}

pub(super) async fn list_classes(client: &Client, pool: Option<&str>, layout: Layout) -> Result<Listing> {
    let mut all = objects::classes(client).await?;
    all.retain(|class| pool.is_none_or(|pool| pool == &*class.spec.pool));
    if let (Some(pool), true) = (pool, all.is_empty())
        && !objects::pools(client).await?.iter().any(|it| it.name_any() == pool)
    {
        bail!("there is no pool {pool}: see `kubectl entropool pools`");
    }
    Ok(Listing {
        text: classes(&all, layout),
        document: json!({ "classes": all }),
        names: all.iter().map(|class| format!("entropyclass.{GROUP}/{}", class.name_any())).collect(),
        errors: Vec::new(),
    })
}

/// One row per pool, and below the table why some are not ready.
fn pools(pools: &[EntropyPool], layout: Layout) -> String {
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
    table.or("There are no pools: apply an EntropyPool; `spec: {}` is enough for one that serves.", layout)
        + &not_ready
}

/// One row per class, and below the table why some are not ready.
fn classes(classes: &[EntropyClass], layout: Layout) -> String {
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
    table.or("There are no classes; a pool without classes serves all its VMs alike.", layout) + &not_ready
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
