//! Whether a denial is final. A pool that is applied together with its VM is planned a moment after the API server has stored
//! it; a denial that nothing stored now would lift need not wait for that.

use std::fmt::Debug;
use std::sync::Arc;

use api::{EntropyClass, EntropyPool};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, ObjectMeta, PartialObjectMeta};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::debug;
use webhook::{Denial, DependsOn, InjectionMethod};

use crate::api_error::api_error;
use crate::reflector::KubeVirt;
use crate::state::{PublishedPlan, SharedState};

/// Compares what a denial depends on with what the API server has stored.
pub(crate) struct Freshness {
    pub(crate) state: Arc<SharedState>,
    pub(crate) client: Client,
    /// The image for sidecars.
    pub(crate) image: Option<String>,
}

impl Freshness {
    /// Whether `denial`, which follows from `planned`, also follows from what is stored now. If that cannot be read, it may
    /// be lifted.
    pub(crate) async fn is_final(&self, denial: &Denial, planned: &PublishedPlan) -> bool {
        let read = match denial.depends_on() {
            DependsOn::Request => return true,
            DependsOn::KubeVirt => self.has_no_method().await,
            DependsOn::Objects { pool, class, namespace } => {
                let stored = tokio::try_join!(
                    self.stored::<EntropyPool>(pool),
                    self.stored::<EntropyClass>(class),
                    self.stored::<Namespace>(namespace),
                );
                stored.map(|stored| self.knows(pool, class, namespace, &stored, planned))
            }
        };
        read.unwrap_or_else(|error| {
            debug!(error = api_error(&error), "failed to read what a denial depends on");
            false
        })
    }

    /// Whether the plan was made from these objects as they are stored.
    fn knows(
        &self,
        pool: Option<&str>,
        class: Option<&str>,
        namespace: Option<&str>,
        stored: &(Option<ObjectMeta>, Option<ObjectMeta>, Option<ObjectMeta>),
        planned: &PublishedPlan,
    ) -> bool {
        let store = self.state.store();
        // The status is written all the time, and no denial depends on it.
        let generation =
            |meta: &Option<ObjectMeta>| meta.as_ref().map(|meta| (meta.uid.clone(), meta.generation));
        let of = |meta: &ObjectMeta| (meta.uid.clone(), meta.generation);
        let pool = pool.and_then(|name| store.pool(name)).map(|known| of(&known.metadata));
        let class = class.and_then(|name| store.class(name)).map(|known| of(&known.metadata));
        let namespace = namespace.and_then(|name| store.namespace(name)).cloned();
        let labels = stored.2.as_ref().map(|meta| meta.labels.clone().unwrap_or_default());
        // In this order: what is in the store has been counted.
        (pool, class, namespace) == (generation(&stored.0), generation(&stored.1), labels)
            && self.state.changes() == planned.changes
    }

    /// The metadata of an object, if there is one of that name.
    async fn stored<K>(&self, name: Option<&str>) -> Result<Option<ObjectMeta>, kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let Some(name) = name else { return Ok(None) };
        let named = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = Api::<K>::all(self.client.clone()).list_metadata(&named).await?;
        Ok(found.items.into_iter().next().map(|PartialObjectMeta { metadata, .. }| metadata))
    }

    /// Whether the stored `KubeVirt` offers no method either.
    async fn has_no_method(&self) -> Result<bool, kube::Error> {
        let found = match Api::<KubeVirt>::all(self.client.clone()).list(&ListParams::default()).await {
            Ok(found) => found.items,
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => return Err(error),
        };
        let object = found.first().map(|it| json!({"spec": it.spec, "status": it.status}));
        Ok(matches!(InjectionMethod::of(object.as_ref(), self.image.as_deref()), InjectionMethod::None(_)))
    }
}
