//! The configuration in effect, as manifests.

use ::api::names::API_VERSION;
use proto::local::GetConfigResponse;
use serde::Serialize;
use serde_json::{Value, json};

use crate::health::HealthConditions;

pub(super) fn response(health: &HealthConditions) -> GetConfigResponse {
    let accepted = health.accepted_manifests();
    let pools = accepted.specs.pools.iter().map(|(name, pool)| manifest("EntropyPool", name, &pool.spec));
    let classes =
        accepted.specs.classes.iter().map(|(name, class)| manifest("EntropyClass", name, &class.spec));
    let refused = health.get().refused_manifests;
    GetConfigResponse {
        manifests: Value::Array(pools.chain(classes).collect()).to_string(),
        files: accepted.files.iter().map(|path| path.display().to_string()).collect(),
        refused_at: refused.as_ref().map_or(0, |refused| refused.timestamp()),
        refused: refused.map(|refused| refused.problems).unwrap_or_default(),
    }
}

fn manifest(kind: &str, name: &str, spec: &impl Serialize) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec })
}
