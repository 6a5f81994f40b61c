//! Watches `KubeVirt`'s kinds, publishes the injection method, and writes the `Plugin` while this replica leads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch as channel};
use tokio::task::JoinSet;
use tracing::{info, warn};
use webhook::InjectionMethod;

use super::state::KubeVirtState;
use crate::api_error::api_error;
use crate::leader_election::Leadership;
use crate::reflector::{KubeVirt, Plugin, Reflector, ReflectorEvent, Relist, WatchKind, WatchedObject};
use crate::status::FIELD_MANAGER;

/// The wait after a failed write of the Plugin.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The watched objects, shared by the watches and the reconciler.
#[derive(Clone, Default)]
pub(crate) struct WatchedState {
    state: Arc<Mutex<KubeVirtState>>,
    changed: Arc<Notify>,
}

/// Starts a reflector for both kinds.
pub(crate) fn watch(client: &Client, tasks: &mut JoinSet<()>) -> WatchedState {
    let watched = WatchedState::default();
    watch_kind::<KubeVirt>(&watched, client, WatchKind::KubeVirt, KubeVirtState::apply_kubevirt, tasks);
    watch_kind::<Plugin>(&watched, client, WatchKind::Plugin, KubeVirtState::apply_plugin, tasks);
    watched
}

fn watch_kind<K>(
    watched: &WatchedState,
    client: &Client,
    kind: WatchKind,
    apply: fn(&mut KubeVirtState, ReflectorEvent<K>),
    tasks: &mut JoinSet<()>,
) where
    K: WatchedObject + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let watched = watched.clone();
    let api = Api::<K>::all(client.clone());
    let reflector = Reflector { kind, api, labels: None, fields: None, relist: Relist::default() };
    tasks.spawn(reflector.run(move |event| {
        apply(&mut watched.state.lock().unwrap_or_else(PoisonError::into_inner), event);
        watched.changed.notify_one();
    }));
}

pub(crate) struct PluginReconciler {
    pub(crate) client: Client,
    /// The image for sidecars.
    pub(crate) image: Option<String>,
    /// The requests and limits of sidecars.
    pub(crate) resources: Value,
    pub(crate) role: channel::Receiver<Leadership>,
    /// The published method; `None` until both kinds have been listed.
    pub(crate) injection: channel::Sender<Option<InjectionMethod>>,
}

impl PluginReconciler {
    /// Reconciles after every change; never returns.
    pub(crate) async fn run(mut self, watched: WatchedState) {
        loop {
            let due = self.publish_method(&watched);
            let failed = due && !self.write_plugin().await;
            tokio::select! {
                () = watched.changed.notified() => {}
                changed = self.role.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY_INTERVAL), if failed => {}
            }
        }
    }

    /// Publishes the injection method, and returns whether the Plugin must be written.
    fn publish_method(&self, watched: &WatchedState) -> bool {
        let state = watched.state.lock().unwrap_or_else(PoisonError::into_inner);
        let injection = state.available(self.image.as_deref());
        let injection = injection.map(|method| method.with_resources(&self.resources));
        self.injection.send_if_modified(|current| {
            let changed = *current != injection;
            if changed {
                info!(?injection, "KubeVirt injection method changed");
                current.clone_from(&injection);
            }
            changed
        });
        let plugin_used = state.desired(self.image.as_deref()) == Some(InjectionMethod::Plugin);
        plugin_used && self.role.borrow().leads() && !state.has_plugin(&webhook::plugin())
    }

    async fn write_plugin(&self) -> bool {
        let mut plugin = webhook::plugin();
        // The Plugin is deleted with the installation: otherwise VMs would be configured with a socket that no one
        // creates.
        match self.owner().await {
            Ok(owner) => plugin["metadata"]["ownerReferences"] = json!(owner.as_slice()),
            Err(error) => {
                warn!(
                    name = webhook::NAME,
                    error = api_error(&error),
                    "failed to read the webhook configuration"
                );
                return false;
            }
        }
        let api: Api<Plugin> = Api::all(self.client.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch(webhook::NAME, &params, &Patch::Apply(plugin)).await {
            Ok(_) => info!(plugin = webhook::NAME, "Plugin written"),
            Err(error) => {
                warn!(plugin = webhook::NAME, error = api_error(&error), "failed to write the Plugin");
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
