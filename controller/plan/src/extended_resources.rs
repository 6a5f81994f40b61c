//! The slots of each class on a node, as extended resources for the scheduler.

use std::collections::BTreeMap;

use api::names::class_resource;
use delivery::{Admission, NodeConfig};

use crate::node_reports::{NodeReport, NodeReports};
use crate::outcome::Plan;

/// The node's extended resources: the slots of each `Strict` class with a bound, less its VMs that requested none
/// from the scheduler. Otherwise the scheduler would assign the slots of those VMs a second time.
pub fn extended_resources(config: &NodeConfig, report: Option<&NodeReport>) -> BTreeMap<String, u32> {
    let without_slot = |pool: &str, class: &str| {
        let pool = report?.pools.get(pool)?;
        Some(pool.classes.get(class)?.without_slot)
    };
    let classes = config.pools.iter().flat_map(|pool| pool.classes.iter().map(|class| (&*pool.name, class)));
    let strict = classes.filter(|(_, class)| class.admission == Admission::Strict);
    strict
        .filter_map(|(pool, class)| {
            let left = class.max_vms?.saturating_sub(without_slot(pool, &class.name).unwrap_or_default());
            Some((class_resource(&class.name), left))
        })
        .collect()
}

/// Whether a class has no room for one more VM on any ready node, or on the node `on`; `None` if no such node is
/// connected.
pub fn is_full(
    plan: &Plan,
    reports: &NodeReports,
    pool: &str,
    class: &str,
    on: Option<&str>,
) -> Option<bool> {
    let full_on = |(node, config): (&String, _)| {
        let report: &NodeReport = reports.get(node).filter(|report| report.connected && report.ready)?;
        let bound = bound(config, pool, class)?;
        let vms = report.pools.get(pool).and_then(|it| it.classes.get(class)).map_or(0, |it| it.vms);
        Some(vms >= bound)
    };
    let nodes = plan.nodes.iter().filter(|(node, _)| on.is_none_or(|on| on == *node));
    let mut full = nodes.map(|(node, config)| (node, &**config)).filter_map(full_on).peekable();
    full.peek()?;
    Some(full.all(|full| full))
}

/// How many VMs all nodes together admit in a class.
pub fn capacity(plan: &Plan, pool: &str, class: &str) -> u64 {
    plan.nodes.values().filter_map(|config| bound(config, pool, class)).map(u64::from).sum()
}

fn bound(config: &NodeConfig, pool: &str, class: &str) -> Option<u32> {
    let pool = config.pools.iter().find(|it| it.name == pool)?;
    pool.classes.iter().find(|it| it.name == class)?.max_vms
}
