//! A VM that draws from a pool goes where an agent is ready: the scheduler does not ask whether a node has the driver.

use api::names::{AGENT_LABEL, AGENT_READY};
use serde_json::{Value, json};

/// A pod's affinity with the condition added; `None` if it has it already.
pub(crate) fn with_agent(affinity: &Value) -> Option<Value> {
    let mut affinity = if affinity.is_object() { affinity.clone() } else { json!({}) };
    let required = &mut affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = &mut required["nodeSelectorTerms"];
    let wanted = json!({"key": AGENT_LABEL, "operator": "In", "values": [AGENT_READY]});
    if terms.as_array().is_none_or(Vec::is_empty) {
        *terms = json!([{"matchExpressions": [wanted]}]);
        return Some(affinity);
    }
    let mut changed = false;
    // Any one of the terms is enough for the scheduler, so each has to say it.
    for term in terms.as_array_mut().into_iter().flatten() {
        let expressions = &mut term["matchExpressions"];
        if !expressions.is_array() {
            *expressions = json!([]);
        }
        let expressions = expressions.as_array_mut().expect("it was made a list");
        if !expressions.contains(&wanted) {
            expressions.push(wanted.clone());
            changed = true;
        }
    }
    changed.then_some(affinity)
}
