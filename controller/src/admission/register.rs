//! Writes the CA bundle into the webhook configurations, which belong to the installation, so that the API server trusts
//! the controller.

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

use crate::api_error::api_error;
use crate::leader_election::Leadership;
use crate::status::FIELD_MANAGER;

/// How often the configurations are checked: an upgrade or an edit may remove the bundle.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Writes the bundle where it is missing, while this replica leads; never returns.
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
                if let Err(error) = patch_bundle(resource, api, &trusted).await {
                    let error = api_error(&error);
                    warn!(kind = resource.kind, name = webhook::NAME, error, "failed to patch caBundle");
                }
            }
        }
        tokio::select! {
            changed = bundle.changed() => if changed.is_err() { return },
            changed = role.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
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

async fn patch_bundle(
    resource: &ApiResource,
    api: &Api<DynamicObject>,
    trusted: &str,
) -> Result<(), kube::Error> {
    // Without a configuration, the API server does not call the hooks.
    let Some(found) = api.get_opt(webhook::NAME).await? else { return Ok(()) };
    let Some(webhooks) = stale(&found.data["webhooks"], trusted) else { return Ok(()) };
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": webhook::NAME},
        "webhooks": webhooks,
    });
    api.patch(webhook::NAME, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(patch)).await?;
    info!(kind = resource.kind, name = webhook::NAME, "caBundle patched");
    Ok(())
}

/// The patch for all webhooks, if one of them has another bundle. All are listed, since server-side apply removes fields
/// that their owner no longer lists.
fn stale(webhooks: &Value, trusted: &str) -> Option<Vec<Value>> {
    let webhooks = webhooks.as_array()?;
    let is_current = |webhook: &Value| webhook["clientConfig"]["caBundle"] == trusted;
    if webhooks.iter().all(is_current) {
        return None;
    }
    let patch = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": trusted}});
    Some(webhooks.iter().map(patch).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_webhooks_are_patched_if_one_has_another_bundle() {
        let webhook = |name: &str, bundle: &str| json!({"name": name, "clientConfig": {"caBundle": bundle}});
        assert_eq!(stale(&json!([webhook("a", "new"), webhook("b", "new")]), "new"), None);
        let both = vec![webhook("a", "new"), webhook("b", "new")];
        assert_eq!(stale(&json!([webhook("a", "new"), webhook("b", "old")]), "new"), Some(both));
        let fresh = json!([{"name": "a", "clientConfig": {"url": "https://localhost"}}]);
        assert_eq!(stale(&fresh, "new"), Some(vec![webhook("a", "new")]));
        assert_eq!(stale(&Value::Null, "new"), None);
    }
}
