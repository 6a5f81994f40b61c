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
use webhook::InjectionMethod;

use super::KubeVirtState;
use crate::leader_election::Leadership;
use crate::reflector::{KubeVirt, Object, Plugin, Reflector, ReflectorEvent, Relist, WatchKind};
use crate::status::FIELD_MANAGER;

/// How soon a Plugin that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What the watches tell the keeper.
#[derive(Clone, Default)]
pub(crate) struct LoggedState {
    known: Arc<Mutex<KubeVirtState>>,
    changed: Arc<Notify>,
}

/// Starts to follow both kinds.
pub(crate) fn follow(client: &Client, tasks: &mut JoinSet<()>) -> LoggedState {
    let told = LoggedState::default();
    watch_kind::<KubeVirt>(&told, client, WatchKind::KubeVirt, KubeVirtState::kubevirts, tasks);
    watch_kind::<Plugin>(&told, client, WatchKind::Plugin, KubeVirtState::plugins, tasks);
    told
}

fn watch_kind<K>(
    told: &LoggedState,
    client: &Client,
    kind: WatchKind,
    take: fn(&mut KubeVirtState, ReflectorEvent<K>),
    tasks: &mut JoinSet<()>,
) where
    K: Object + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let told = told.clone();
    let api = Api::<K>::all(client.clone());
    let follow = Reflector { kind, api, labels: None, fields: None, relist: Relist::default() };
    tasks.spawn(follow.run(move |seen| {
        take(&mut told.known.lock().unwrap_or_else(PoisonError::into_inner), seen);
        told.changed.notify_one();
    }));
}

/// Who decides.
pub(crate) struct PluginReconciler {
    pub(crate) client: Client,
    /// The image that a sidecar would have.
    pub(crate) image: Option<String>,
    pub(crate) role: watch::Receiver<Leadership>,
    /// The way that VMs go; nothing before `KubeVirt` was looked for.
    pub(crate) way: watch::Sender<Option<InjectionMethod>>,
}

impl PluginReconciler {
    /// Decides anew at every change; ends never.
    pub(crate) async fn run(mut self, told: LoggedState) {
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
    fn look(&self, told: &LoggedState) -> bool {
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
        let wanted = known.wanted(self.image.as_deref()) == Some(InjectionMethod::Plugin);
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
