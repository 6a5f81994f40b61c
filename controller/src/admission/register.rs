//! Tells the API server whom to trust: the authority's certificates, in the objects by which it finds the hooks.
//!
//! The objects themselves come with the installation and go with it.

use std::fmt::Debug;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::leader_election::Leadership;
use crate::status::FIELD_MANAGER;

/// Between two looks: what an upgrade or somebody's edit took away is back before anybody has asked why.
const LOOK: Duration = Duration::from_secs(5);

/// Writes the bundle wherever it is not, while this replica leads; ends never.
pub(crate) async fn run(
    client: Client,
    mut bundle: watch::Receiver<Option<String>>,
    mut role: watch::Receiver<Leadership>,
) {
    let mutating = configurations::<MutatingWebhookConfiguration>(&client);
    let validating = configurations::<ValidatingWebhookConfiguration>(&client);
    loop {
        let trusted = bundle.borrow_and_update().as_ref().map(|bundle| STANDARD.encode(bundle));
        if let Some(trusted) = trusted.filter(|_| role.borrow_and_update().leads()) {
            for (resource, api) in [&mutating, &validating] {
                if let Err(error) = renew(resource, api, &trusted).await {
                    warn!(kind = resource.kind, name = webhook::NAME, %error, "the API server is not told whom to trust");
                }
            }
        }
        tokio::select! {
            changed = bundle.changed() => if changed.is_err() { return },
            changed = role.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn configurations<K: Resource<DynamicType = ()> + Debug>(
    client: &Client,
) -> (ApiResource, Api<DynamicObject>) {
    let resource = ApiResource::erase::<K>(&());
    let api = Api::all_with(client.clone(), &resource);
    (resource, api)
}

async fn renew(resource: &ApiResource, api: &Api<DynamicObject>, trusted: &str) -> Result<(), kube::Error> {
    // Where there are no such objects, nobody is called.
    let Some(found) = api.get_opt(webhook::NAME).await? else { return Ok(()) };
    let Some(webhooks) = stale(&found.data["webhooks"], trusted) else { return Ok(()) };
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": webhook::NAME},
        "webhooks": webhooks,
    });
    api.patch(webhook::NAME, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(patch)).await?;
    info!(kind = resource.kind, name = webhook::NAME, "the API server is told whom to trust");
    Ok(())
}

/// The bundle for every webhook, if one of them has another. All of them are named: what an owner no longer names, it
/// gives up.
fn stale(webhooks: &Value, trusted: &str) -> Option<Vec<Value>> {
    let webhooks = webhooks.as_array()?;
    let right = |webhook: &Value| webhook["clientConfig"]["caBundle"] == trusted;
    if webhooks.iter().all(right) {
        return None;
    }
    let told = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": trusted}});
    Some(webhooks.iter().map(told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_webhook_is_named_as_soon_as_one_trusts_another() {
        let webhook = |name: &str, bundle: &str| json!({"name": name, "clientConfig": {"caBundle": bundle}});
        assert_eq!(stale(&json!([webhook("a", "new"), webhook("b", "new")]), "new"), None);
        let both = vec![webhook("a", "new"), webhook("b", "new")];
        assert_eq!(stale(&json!([webhook("a", "new"), webhook("b", "old")]), "new"), Some(both));
        let fresh = json!([{"name": "a", "clientConfig": {"url": "https://localhost"}}]);
        assert_eq!(stale(&fresh, "new"), Some(vec![webhook("a", "new")]));
        assert_eq!(stale(&Value::Null, "new"), None);
    }
}
