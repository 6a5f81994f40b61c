//! Stops the controllers, which would write to nodes, the Lease and the authority again.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::error::{UninstallError, api_call};

const DEPLOYMENTS: &str = "app.kubernetes.io/name=entropool";
const PODS: &str = "app.kubernetes.io/name=entropool,app.kubernetes.io/component=controller";
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// A pod ends within its grace period of 30 s.
const POLLS: u32 = 120;

/// A Deployment that was stopped, and the replicas that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    name: String,
    replicas: i32,
}

/// Scales all controllers to zero. A Deployment that does not exist was deleted before.
pub(crate) async fn stop(client: &Client, namespace: &str) -> Result<Vec<Stopped>, UninstallError> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default().labels(DEPLOYMENTS)).await;
    let found = found.map_err(api_call(format!("list deployments in namespace {namespace}")))?;
    let mut stopped = Vec::new();
    for deployment in found.items {
        let name = deployment.name_any();
        let replicas = deployment.spec.replicas.unwrap_or(1);
        scale(&api, &name, 0).await?;
        stopped.push(Stopped { name, replicas });
    }
    Ok(stopped)
}

/// Starts them again.
pub(crate) async fn restart(
    client: &Client,
    namespace: &str,
    stopped: &[Stopped],
) -> Result<(), UninstallError> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    for Stopped { name, replicas } in stopped {
        scale(&api, name, *replicas).await?;
    }
    Ok(())
}

async fn scale(api: &Api<Deployment>, name: &str, replicas: i32) -> Result<(), UninstallError> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let scaled = api.patch_scale(name, &PatchParams::default(), &patch).await;
    scaled.map(drop).map_err(api_call(format!("scale deployment {name} to {replicas}")))
}

/// Waits until no controller runs any more.
pub(crate) async fn until_ended(client: &Client, namespace: &str) -> Result<(), UninstallError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let mut pods = Vec::new();
    for _ in 0..POLLS {
        let found = api.list_metadata(&ListParams::default().labels(PODS)).await;
        let found = found.map_err(api_call(format!("list pods in namespace {namespace}")))?;
        if found.items.is_empty() {
            return Ok(());
        }
        pods = found.items.iter().map(ResourceExt::name_any).collect();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Err(UninstallError::ControllersRun { pods, seconds: (POLL_INTERVAL * POLLS).as_secs() })
}
