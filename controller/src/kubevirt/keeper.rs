//! Follows `KubeVirt`'s kinds, says which way VMs go, and keeps the `Plugin` object while this replica leads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};
use webhook::Way;

use super::Known;
use crate::lease::Role;
use crate::status::FIELD_MANAGER;
use crate::watch::{Follow, Kind, KubeVirt, Object, Plugin, Relist, Seen};

/// How soon a Plugin that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What the watches tell the keeper.
#[derive(Clone, Default)]
pub(crate) struct Told {
    known: Arc<Mutex<Known>>,
    changed: Arc<Notify>,
}

/// Starts to follow both kinds.
pub(crate) fn follow(client: &Client, tasks: &mut JoinSet<()>) -> Told {
    let told = Told::default();
    watch_kind::<KubeVirt>(&told, client, Kind::KubeVirt, Known::kubevirts, tasks);
    watch_kind::<Plugin>(&told, client, Kind::Plugin, Known::plugins, tasks);
    told
}

fn watch_kind<K>(
    told: &Told,
    client: &Client,
    kind: Kind,
    take: fn(&mut Known, Seen<K>),
    tasks: &mut JoinSet<()>,
) where
    K: Object + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let told = told.clone();
    let api = Api::<K>::all(client.clone());
    let follow = Follow { kind, api, labels: None, fields: None, relist: Relist::default() };
    tasks.spawn(follow.run(move |seen| {
        take(&mut told.known.lock().unwrap_or_else(PoisonError::into_inner), seen);
        told.changed.notify_one();
    }));
}

/// Who decides.
pub(crate) struct Keeper {
    pub(crate) client: Client,
    /// The image that a sidecar would have.
    pub(crate) image: Option<String>,
    pub(crate) role: watch::Receiver<Role>,
    /// The way that VMs go; nothing before `KubeVirt` was looked for.
    pub(crate) way: watch::Sender<Option<Way>>,
}

impl Keeper {
    /// Decides anew at every change; ends never.
    pub(crate) async fn run(mut self, told: Told) {
        loop {
            let due = self.look(&told);
            let failed = due && !self.write().await;
            tokio::select! {
                () = told.changed.notified() => {}
                changed = self.role.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN), if failed => {}
            }
        }
    }

    /// Publishes the way, and says whether the Plugin is to be written.
    fn look(&self, told: &Told) -> bool {
        let known = told.known.lock().unwrap_or_else(PoisonError::into_inner);
        let way = known.way(self.image.as_deref());
        self.way.send_if_modified(|current| {
            let changed = *current != way;
            if changed {
                info!(?way, "how domains are changed");
                current.clone_from(&way);
            }
            changed
        });
        let wanted = known.wanted(self.image.as_deref()) == Some(Way::Plugin);
        wanted && self.role.borrow().leads() && !known.has_plugin(&webhook::plugin())
    }

    async fn write(&self) -> bool {
        let mut plugin = webhook::plugin();
        // It goes with what is uninstalled: otherwise VMs would be told to ask a socket that nobody gives them.
        match self.owner().await {
            Ok(owner) => plugin["metadata"]["ownerReferences"] = json!(owner.as_slice()),
            Err(error) => {
                warn!(%error, "the webhooks' configuration cannot be read");
                return false;
            }
        }
        let api: Api<Plugin> = Api::all(self.client.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch(webhook::NAME, &params, &Patch::Apply(plugin)).await {
            Ok(_) => info!(plugin = webhook::NAME, "the Plugin is written"),
            Err(error) => {
                warn!(plugin = webhook::NAME, %error, "the Plugin cannot be written");
                return false;
            }
        }
        true
    }

    async fn owner(&self) -> Result<Option<OwnerReference>, kube::Error> {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        Ok(api.get_opt(webhook::NAME).await?.and_then(|found| found.owner_ref(&())))
    }
}
