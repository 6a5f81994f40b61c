//! The inputs of the checks of a cluster.

use anyhow::Result;
use api::names::AGENT_LABEL;
use api::{EntropyClass, EntropyPool};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Error as KubeError, ResourceExt};
use serde_json::Value;

use super::super::agents::{AgentResponse, Agents};
use super::super::api_error::ApiError;
use super::super::objects;
use super::leader::{Leader, leader};
use crate::check::{DaemonState, daemon_state};

const DRIVER: &str = "csi.entropool.io";
/// The name of both webhook configurations.
const WEBHOOKS: &str = "entropool";

/// What was found, or why it could not be read.
pub(super) type ListResult<T> = Result<T, String>;

#[derive(Debug)]
pub(super) struct ClusterInputs {
    pub(super) pools: ListResult<Vec<EntropyPool>>,
    pub(super) classes: ListResult<Vec<EntropyClass>>,
    /// The leader, if there is one.
    pub(super) leader: ListResult<Option<Leader>>,
    /// Nodes with an agent, and its state.
    pub(super) nodes: ListResult<Vec<(String, String)>>,
    pub(super) driver: ListResult<Option<CsiDriverState>>,
    /// Whether the mutating and the validating webhooks have a CA bundle; `None` where the configuration is missing.
    pub(super) webhooks: ListResult<[Option<bool>; 2]>,
    /// The `KubeVirt` object, if that is installed.
    pub(super) kubevirt: ListResult<Option<Value>>,
    pub(super) agents: ListResult<Vec<(String, ListResult<DaemonState>)>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CsiDriverState {
    pub(super) pod_info_on_mount: bool,
    pub(super) ephemeral: bool,
}

/// Reads everything at the same time.
pub(super) async fn gather(client: &Client, namespace: &str, selected: &[String]) -> ClusterInputs {
    let (pools, classes, leader, nodes, driver, webhooks, kubevirt, agents) = tokio::join!(
        objects::pools(client),
        objects::classes(client),
        leader(client, namespace),
        nodes(client),
        driver(client),
        webhooks(client),
        kubevirt(client),
        agents(client, namespace, selected),
    );
    ClusterInputs {
        pools: pools.map_err(message),
        classes: classes.map_err(message),
        leader: leader.map_err(|error| message(ApiError::new("get the Lease of the controller", error))),
        nodes: nodes.map_err(|error| message(ApiError::new("list nodes", error))),
        driver: driver.map_err(|error| message(ApiError::new("get the CSIDriver", error))),
        webhooks: webhooks.map_err(|error| message(ApiError::new("get the webhook configurations", error))),
        kubevirt: kubevirt.map_err(|error| message(ApiError::new("list KubeVirt objects", error))),
        agents: agents.map_err(message),
    }
}

fn message(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

async fn nodes(client: &Client) -> Result<Vec<(String, String)>, KubeError> {
    let api = Api::<Node>::all(client.clone());
    let nodes = api.list_metadata(&ListParams::default().labels(AGENT_LABEL)).await?;
    let state = |node: &kube::api::PartialObjectMeta<Node>| {
        node.labels().get(AGENT_LABEL).cloned().unwrap_or_default()
    };
    Ok(nodes.items.iter().map(|node| (node.name_any(), state(node))).collect())
}

async fn driver(client: &Client) -> Result<Option<CsiDriverState>, KubeError> {
    let found = Api::<CSIDriver>::all(client.clone()).get_opt(DRIVER).await?;
    Ok(found.map(|driver| CsiDriverState {
        pod_info_on_mount: driver.spec.pod_info_on_mount == Some(true),
        ephemeral: driver.spec.volume_lifecycle_modes.iter().flatten().any(|mode| mode == "Ephemeral"),
    }))
}

async fn webhooks(client: &Client) -> Result<[Option<bool>; 2], KubeError> {
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone()).get_opt(WEBHOOKS).await?;
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone()).get_opt(WEBHOOKS).await?;
    let has_bundle =
        |config: &WebhookClientConfig| config.ca_bundle.as_ref().is_some_and(|bundle| !bundle.0.is_empty());
    Ok([
        mutating.map(|it| it.webhooks.iter().flatten().all(|webhook| has_bundle(&webhook.client_config))),
        validating.map(|it| it.webhooks.iter().flatten().all(|webhook| has_bundle(&webhook.client_config))),
    ])
}

async fn kubevirt(client: &Client) -> Result<Option<Value>, KubeError> {
    let resource = ApiResource {
        group: "kubevirt.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "kubevirt.io/v1".to_owned(),
        kind: "KubeVirt".to_owned(),
        plural: "kubevirts".to_owned(),
    };
    match Api::<DynamicObject>::all_with(client.clone(), &resource).list(&ListParams::default()).await {
        Ok(found) => Ok(found.items.into_iter().next().and_then(|it| serde_json::to_value(it).ok())),
        Err(KubeError::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn agents(
    client: &Client,
    namespace: &str,
    nodes: &[String],
) -> Result<Vec<(String, ListResult<DaemonState>)>> {
    let agents = Agents::find(client, namespace, nodes).await?;
    let responses = agents.call(async |daemon| daemon_state(daemon).await).await;
    let listed = |AgentResponse { node, response }: AgentResponse<_>| (node, response.map_err(message));
    Ok(responses.into_iter().map(listed).collect())
}
