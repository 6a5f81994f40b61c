//! Agents that stay on the nodes while VMs still use them: a copy of the chart's DaemonSet that belongs to no release.
//!
//! Its pods take over from the chart's as those of an upgrade do, so that no connection of a VM closes. They need neither
//! a controller nor a right: what they have, they serve, and they unpublish each volume when its pod ends.

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

use crate::error::{UninstallError, api_call, is_not_found};

/// The name of the DaemonSet, and the instance in its labels.
pub(crate) const NAME: &str = "entropool-remaining";
const INSTANCE: &str = "app.kubernetes.io/instance";
const LABELS: [&str; 2] = ["app.kubernetes.io/name", "app.kubernetes.io/component"];
/// The volume of the chart's pods with what they need to reach the controller.
const IDENTITY: &str = "identity";
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const POLLS: u32 = 240;

/// Creates the agents that stay, and waits until they have taken over on every node.
pub(crate) async fn stay(client: &Client, namespace: &str) -> Result<(), UninstallError> {
    let api = Api::<DaemonSet>::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default().labels("app.kubernetes.io/name=entropool")).await;
    let found = found.map_err(api_call(format!("list daemonsets in namespace {namespace}")))?;
    if !found.items.iter().any(|it| it.name_any() == NAME) {
        let agents =
            found.items.iter().next().ok_or_else(|| UninstallError::NoAgents(namespace.to_owned()))?;
        let created = api.create(&PostParams::default(), &remaining(agents)).await;
        created.map_err(api_call(format!("create daemonset {NAME}")))?;
    }
    let (mut ready, mut wanted) = (0, 0);
    for _ in 0..POLLS {
        let now = api.get(NAME).await.map_err(api_call(format!("get daemonset {NAME}")))?;
        let generation = now.metadata.generation;
        let status = now.status.unwrap_or_default();
        (ready, wanted) = (status.number_ready, status.desired_number_scheduled);
        if status.observed_generation == generation && ready == wanted {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let seconds = (POLL_INTERVAL * POLLS).as_secs();
    Err(UninstallError::AgentsNotReady { name: NAME, ready, wanted, seconds })
}

/// Deletes those that an earlier uninstallation left. Returns whether there were any.
pub(crate) async fn end(client: &Client, namespace: &str) -> Result<bool, UninstallError> {
    let api = Api::<DaemonSet>::namespaced(client.clone(), namespace);
    match api.delete(NAME, &DeleteParams::default()).await {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(api_call(format!("delete daemonset {NAME}"))(error)),
    }
}

/// The DaemonSet that stays when the chart's is deleted, with its account and all that a controller wrote.
fn remaining(agents: &DaemonSet) -> DaemonSet {
    let own = |labels: &mut std::collections::BTreeMap<String, String>| {
        labels.retain(|label, _| LABELS.contains(&label.as_str()));
        labels.insert(INSTANCE.to_owned(), NAME.to_owned());
    };
    let mut spec = agents.spec.clone();
    own(spec.selector.match_labels.get_or_insert_default());
    own(spec.template.metadata.get_or_insert_default().labels.get_or_insert_default());
    let mut labels =
        spec.template.metadata.iter().filter_map(|it| it.labels.clone()).next().unwrap_or_default();
    own(&mut labels);
    if let Some(pod) = &mut spec.template.spec {
        // Both accounts of the chart are deleted; "default" is in every namespace.
        (pod.service_account, pod.service_account_name) = (None, None);
        pod.volumes.iter_mut().for_each(|all| all.retain(|volume| volume.name != IDENTITY));
        let containers = pod.containers.iter_mut();
        containers
            .flat_map(|it| &mut it.volume_mounts)
            .for_each(|all| all.retain(|mount| mount.name != IDENTITY));
    }
    let metadata = ObjectMeta {
        name: Some(NAME.to_owned()),
        namespace: agents.namespace(),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    DaemonSet { metadata, spec, status: None }
}
