//! Lists of objects from the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ::plan::{ClusterNode, ClusterSnapshot, Labels};
use anyhow::Result;
use api::names::AGENT_LABEL;
use api::{EntropyClass, EntropyPool};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{ListParams, ObjectList, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::api_error::ApiError;

/// Objects per request.
const PAGE_SIZE: u32 = 500;

pub(super) async fn pools(client: &Client) -> Result<Vec<EntropyPool>> {
    list(client).await
}

pub(super) async fn classes(client: &Client) -> Result<Vec<EntropyClass>> {
    list(client).await
}

/// The input of a plan, as the controller would collect it.
pub(super) async fn snapshot(client: &Client) -> Result<ClusterSnapshot> {
    let nodes = labels::<Node>(client).await?;
    let agents = nodes.into_iter().filter(|(_, labels)| labels.contains_key(AGENT_LABEL));
    Ok(ClusterSnapshot {
        pools: pools(client).await?,
        classes: classes(client).await?,
        namespaces: labels::<Namespace>(client).await?,
        nodes: agents.map(|(name, labels)| (name, ClusterNode { labels })).collect(),
        // It changes nothing that is shown.
        pod_info_on_mount: None,
    })
}

pub(super) async fn list<K>(client: &Client) -> Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    let all = paged(async |page| api.list(page).await).await;
    Ok(all.map_err(|error| ApiError::new(format!("list {}", K::plural(&())), error))?)
}

/// The labels of all objects of a kind.
async fn labels<K>(client: &Client) -> Result<BTreeMap<String, Labels>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let all = metadata::<K>(client).await?;
    Ok(all.into_iter().map(|object| (object.name_any(), object.labels().clone())).collect())
}

/// The metadata of all objects of a kind.
pub(super) async fn metadata<K>(client: &Client) -> Result<Vec<PartialObjectMeta<K>>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    let all = paged(async |page| api.list_metadata(page).await).await;
    Ok(all.map_err(|error| ApiError::new(format!("list {}", K::plural(&())), error))?)
}

/// All objects, page by page.
async fn paged<T: Clone>(
    list: impl AsyncFn(&ListParams) -> Result<ObjectList<T>, kube::Error>,
) -> Result<Vec<T>, kube::Error> {
    let (mut params, mut all) = (ListParams::default().limit(PAGE_SIZE), Vec::new());
    loop {
        let page = list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
