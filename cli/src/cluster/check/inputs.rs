//! What was looked at.

use anyhow::Result;
use api::names::AGENT_LABEL;
use api::{EntropyClass, EntropyPool};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Error, ResourceExt};
use serde_json::Value;

use super::super::agents::{AgentAnswers, Agents};
use super::super::objects;
use super::lease::{Leader, leader};
use crate::check::{RunningDaemon, ask};

/// The name of the driver.
const DRIVER: &str = "csi.entropool.io";
/// The name of both kinds of hooks.
const HOOKS: &str = "entropool";

/// Something that was looked for: why it could not be, or what there is.
pub(super) type Listed<T> = Result<T, String>;

/// A cluster as it was found.
#[derive(Debug)]
pub(super) struct ClusterInputs {
    pub(super) pools: Listed<Vec<EntropyPool>>,
    pub(super) classes: Listed<Vec<EntropyClass>>,
    /// Who leads, if anybody ever did.
    pub(super) leader: Listed<Option<Leader>>,
    /// Nodes with an agent, and how that is.
    pub(super) nodes: Listed<Vec<(String, String)>>,
    pub(super) driver: Listed<Option<CsiDriverState>>,
    /// Of each kind of hooks, whether the API server knows whom to trust there; `None` where there are none.
    pub(super) hooks: Listed<[Option<bool>; 2]>,
    /// `KubeVirt`'s object, where that is installed.
    pub(super) kubevirt: Listed<Option<Value>>,
    /// What the agents answer.
    pub(super) agents: Listed<Vec<(String, Listed<RunningDaemon>)>>,
}

/// What the kubelet does for our driver.
#[derive(Clone, Copy, Debug)]
pub(super) struct CsiDriverState {
    pub(super) tells_pods: bool,
    pub(super) inline: bool,
}

/// Looks at everything, all at once; what cannot be seen is a fact, too.
pub(super) async fn gather(client: &Client, namespace: &str, nodes: &[String]) -> ClusterInputs {
    let (pools, classes, leader, labelled, driver, hooks, kubevirt, agents) = tokio::join!(
        objects::pools(client),
        objects::classes(client),
        leader(client, namespace),
        labelled(client),
        driver(client),
        hooks(client),
        kubevirt(client),
        agents(client, namespace, nodes),
    );
    ClusterInputs {
        pools: pools.map_err(message),
        classes: classes.map_err(message),
        leader: leader.map_err(|error| seen("the Lease", &error)),
        nodes: labelled.map_err(|error| seen("nodes", &error)),
        driver: driver.map_err(|error| seen("the CSIDriver", &error)),
        hooks: hooks.map_err(|error| seen("the webhooks", &error)),
        kubevirt: kubevirt.map_err(|error| seen("the KubeVirt object", &error)),
        agents: agents.map_err(message),
    }
}

fn message(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

fn seen(what: &str, error: &Error) -> String {
    format!("{what} cannot be looked at: {error}")
}

async fn labelled(client: &Client) -> Result<Vec<(String, String)>, Error> {
    let api = Api::<Node>::all(client.clone());
    let nodes = api.list_metadata(&ListParams::default().labels(AGENT_LABEL)).await?;
    let state = |node: &kube::api::PartialObjectMeta<Node>| {
        node.labels().get(AGENT_LABEL).cloned().unwrap_or_default()
    };
    Ok(nodes.items.iter().map(|node| (node.name_any(), state(node))).collect())
}

async fn driver(client: &Client) -> Result<Option<CsiDriverState>, Error> {
    let found = Api::<CSIDriver>::all(client.clone()).get_opt(DRIVER).await?;
    Ok(found.map(|driver| CsiDriverState {
        tells_pods: driver.spec.pod_info_on_mount == Some(true),
        inline: driver.spec.volume_lifecycle_modes.iter().flatten().any(|mode| mode == "Ephemeral"),
    }))
}

async fn hooks(client: &Client) -> Result<[Option<bool>; 2], Error> {
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone()).get_opt(HOOKS).await?;
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone()).get_opt(HOOKS).await?;
    let trusts =
        |config: &WebhookClientConfig| config.ca_bundle.as_ref().is_some_and(|bundle| !bundle.0.is_empty());
    Ok([
        mutating.map(|it| it.webhooks.iter().flatten().all(|hook| trusts(&hook.client_config))),
        validating.map(|it| it.webhooks.iter().flatten().all(|hook| trusts(&hook.client_config))),
    ])
}

async fn kubevirt(client: &Client) -> Result<Option<Value>, Error> {
    let resource = ApiResource {
        group: "kubevirt.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "kubevirt.io/v1".to_owned(),
        kind: "KubeVirt".to_owned(),
        plural: "kubevirts".to_owned(),
    };
    match Api::<DynamicObject>::all_with(client.clone(), &resource).list(&ListParams::default()).await {
        Ok(found) => Ok(found.items.into_iter().next().and_then(|it| serde_json::to_value(it).ok())),
        Err(Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn agents(
    client: &Client,
    namespace: &str,
    nodes: &[String],
) -> Result<Vec<(String, Listed<RunningDaemon>)>> {
    let agents = Agents::find(client, namespace, nodes).await?;
    let asked = agents.ask(async |daemon| ask(daemon).await).await;
    Ok(asked.into_iter().map(|AgentAnswers { node, answer }| (node, answer.map_err(message))).collect())
}
