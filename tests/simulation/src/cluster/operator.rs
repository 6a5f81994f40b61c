//! The operator: edits of pools and classes, right and wrong.

use serde_json::{Value, json};
use soak::Rng;

use super::api_server::ApiServer;
use super::tenants::CLASSES;

const POOL_RATE: u64 = 64;

/// The first objects.
pub(crate) fn begin(api: &mut ApiServer) {
    api.write_pool("default", pool(POOL_RATE));
    for (class, rate, most) in [("gold", 24, 3), ("silver", 16, 4), ("bronze", 0, 0)] {
        api.write_class(class, self::class(rate, most, true));
    }
}

fn pool(rate: u64) -> Value {
    json!({"rate": format!("{rate}Ki/s"), "defaultClass": "silver"})
}

/// A class with a bound, or without one if `most` is 0.
fn class(rate: u64, most: u64, everybody: bool) -> Value {
    let mut spec = json!({"pool": "default"});
    if rate > 0 {
        spec["rate"] = json!(format!("{rate}Ki/s"));
    }
    if most > 0 {
        spec["maxVMs"] = json!(most);
    }
    if !everybody {
        let labels = json!({"kubernetes.io/metadata.name": "t0"});
        spec["allowedNamespaces"] = json!({"from": "Selector", "selector": {"matchLabels": labels}});
    }
    spec
}

/// An edit.
pub(crate) fn edit(api: &mut ApiServer, dice: &mut Rng) {
    let name = *dice.pick(&CLASSES);
    match dice.below(10) {
        0..=4 => {
            let (rate, most) = (4 + dice.below(16), 1 + dice.below(5));
            api.write_class(name, class(rate, most, !dice.once_in(8)));
        }
        // More than the pool has, whatever the others have.
        5 | 6 => api.write_class(name, class(POOL_RATE + dice.below(64), 3, true)),
        7 => api.write_pool("default", pool(POOL_RATE + dice.below(64))),
        // Less than the classes are assured together.
        8 => api.write_pool("default", pool(1)),
        // The default class stays.
        _ if name != "silver" && api.classes.contains_key(name) => api.delete_class(name),
        _ => api.write_class("bronze", class(0, 0, true)),
    }
}
