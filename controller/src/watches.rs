//! The watches that feed the store.

use std::sync::Arc;

use api::names::{VM_LABEL, VM_TRUE};
use delivery::agent_auth::AgentAccount;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::reflector::{Reflector, ReflectorEvent, WatchKind, WatchedObject};
use crate::state::SharedState;
use crate::store::Store;

/// Starts a reflector for every kind.
pub(crate) fn start(
    state: &Arc<SharedState>,
    client: &Client,
    agents: &AgentAccount,
    tasks: &mut JoinSet<()>,
) {
    start_reflector(
        state,
        tasks,
        WatchKind::Pool,
        Api::all(client.clone()),
        Selectors::default(),
        Store::apply_pool,
    );
    start_reflector(
        state,
        tasks,
        WatchKind::Class,
        Api::all(client.clone()),
        Selectors::default(),
        Store::apply_class,
    );
    start_reflector(
        state,
        tasks,
        WatchKind::Namespace,
        Api::all(client.clone()),
        Selectors::default(),
        Store::apply_namespace,
    );
    start_reflector(
        state,
        tasks,
        WatchKind::Node,
        Api::all(client.clone()),
        Selectors::default(),
        Store::apply_node,
    );
    start_reflector(
        state,
        tasks,
        WatchKind::Driver,
        Api::all(client.clone()),
        Selectors::default(),
        Store::apply_driver,
    );
    let vms = Selectors { labels: Some(format!("{VM_LABEL}={VM_TRUE}")), ..Selectors::default() };
    start_reflector(state, tasks, WatchKind::Vm, Api::all(client.clone()), vms, Store::apply_vm_pod);
    let account = format!("spec.serviceAccountName={}", agents.service_account);
    let own = Selectors { fields: Some(account), ..Selectors::default() };
    let api = Api::namespaced(client.clone(), &agents.namespace);
    start_reflector(state, tasks, WatchKind::Agent, api, own, Store::apply_agent_pod);
}

#[derive(Default)]
struct Selectors {
    labels: Option<String>,
    fields: Option<String>,
}

fn start_reflector<K>(
    state: &Arc<SharedState>,
    tasks: &mut JoinSet<()>,
    kind: WatchKind,
    api: Api<K>,
    selectors: Selectors,
    apply: fn(&mut Store, ReflectorEvent<K>) -> bool,
) where
    K: WatchedObject + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let state = Arc::clone(state);
    let Selectors { labels, fields } = selectors;
    let reflector = Reflector { kind, api, labels, fields, relist: state.relist(kind) };
    tasks.spawn(reflector.run(move |event| {
        let listed = matches!(event, ReflectorEvent::Listed(..));
        let quiet = matches!(event, ReflectorEvent::Reached(_) | ReflectorEvent::Lost);
        let changed = apply(&mut state.store(), event);
        // The streams find out which VM moved and which agent's pod is gone.
        let counter = match kind {
            WatchKind::Vm => Some(&state.vm_pods),
            WatchKind::Agent => Some(&state.agent_pods),
            WatchKind::Pool
            | WatchKind::Class
            | WatchKind::Namespace
            | WatchKind::Node
            | WatchKind::Driver
            | WatchKind::KubeVirt
            | WatchKind::Plugin => None,
        };
        if let Some(counter) = counter {
            counter.send_if_modified(|count| {
                *count += u64::from(changed);
                changed
            });
        }
        if replans(kind, listed, changed) {
            state.replan.notify_one();
        }
        if counter.is_none() && !quiet {
            state.status_changed.notify_one();
        }
    }));
}

/// Whether a plan is due. No plan depends on pods; but none is made before every kind has been listed, and the pods'
/// list may be the last one.
fn replans(kind: WatchKind, listed: bool, changed: bool) -> bool {
    listed || (changed && !matches!(kind, WatchKind::Vm | WatchKind::Agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_any_kind_triggers_a_plan() {
        for kind in WatchKind::ALL {
            assert!(replans(kind, true, false), "{kind:?}");
        }
    }

    #[test]
    fn a_changed_pod_triggers_no_plan() {
        assert!(!replans(WatchKind::Vm, false, true) && !replans(WatchKind::Agent, false, true));
        assert!(replans(WatchKind::Namespace, false, true));
    }
}
