//! How many VMs of each class a node takes, for the scheduler.

use std::collections::BTreeMap;

use api::names::class_resource;
use delivery::{Admission, NodeConfig};

use crate::fleet::NodeReport;

/// The node's extended resources: the places of each `Strict` class with a bound, less the members that asked
/// the scheduler for none. Otherwise the scheduler would give those places away a second time.
pub fn places(config: &NodeConfig, report: Option<&NodeReport>) -> BTreeMap<String, u32> {
    let unplaced = |pool: &str, class: &str| {
        let pool = report?.pools.get(pool)?;
        Some(pool.classes.get(class)?.unplaced)
    };
    let classes = config.pools.iter().flat_map(|pool| pool.classes.iter().map(|class| (&*pool.name, class)));
    let strict = classes.filter(|(_, class)| class.admission == Admission::Strict);
    strict
        .filter_map(|(pool, class)| {
            let left = class.max_vms?.saturating_sub(unplaced(pool, &class.name).unwrap_or_default());
            Some((class_resource(&class.name), left))
        })
        .collect()
}
