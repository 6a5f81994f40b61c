//! The watches, each feeding the index.

use std::sync::Arc;

use api::names::{VM_LABEL, VM_TRUE};
use delivery::agent_auth::AgentAccount;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::reflector::{Object, Reflector, ReflectorEvent, WatchKind};
use crate::state::SharedState;
use crate::store::Store;

/// Starts to follow every kind.
pub(crate) fn start(
    world: &Arc<SharedState>,
    client: &Client,
    agents: &AgentAccount,
    tasks: &mut JoinSet<()>,
) {
    follow(world, tasks, WatchKind::Pool, Api::all(client.clone()), OnlyWhere::default(), Store::pools);
    follow(world, tasks, WatchKind::Class, Api::all(client.clone()), OnlyWhere::default(), Store::classes);
    follow(
        world,
        tasks,
        WatchKind::Namespace,
        Api::all(client.clone()),
        OnlyWhere::default(),
        Store::namespaces,
    );
    follow(world, tasks, WatchKind::Node, Api::all(client.clone()), OnlyWhere::default(), Store::nodes);
    follow(world, tasks, WatchKind::Driver, Api::all(client.clone()), OnlyWhere::default(), Store::drivers);
    let vms = OnlyWhere { labels: Some(format!("{VM_LABEL}={VM_TRUE}")), ..OnlyWhere::default() };
    follow(world, tasks, WatchKind::Vm, Api::all(client.clone()), vms, Store::vms);
    let account = format!("spec.serviceAccountName={}", agents.service_account);
    let own = OnlyWhere { fields: Some(account), ..OnlyWhere::default() };
    let api = Api::namespaced(client.clone(), &agents.namespace);
    follow(world, tasks, WatchKind::Agent, api, own, Store::agents);
}

/// Which objects of a kind.
#[derive(Default)]
struct OnlyWhere {
    labels: Option<String>,
    fields: Option<String>,
}

fn follow<K>(
    world: &Arc<SharedState>,
    tasks: &mut JoinSet<()>,
    kind: WatchKind,
    api: Api<K>,
    only: OnlyWhere,
    take: fn(&mut Store, ReflectorEvent<K>) -> bool,
) where
    K: Object + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let world = Arc::clone(world);
    let OnlyWhere { labels, fields } = only;
    let follow = Reflector { kind, api, labels, fields, relist: world.relist(kind) };
    tasks.spawn(follow.run(move |seen| {
        let listed = matches!(seen, ReflectorEvent::Listed(..));
        let quiet = matches!(seen, ReflectorEvent::Reached(_) | ReflectorEvent::Lost);
        let changed = take(&mut world.index(), seen);
        // Who moved, and whose pod is gone, is found out where the streams are.
        let told = match kind {
            WatchKind::Vm => Some(&world.moves),
            WatchKind::Agent => Some(&world.agents),
            WatchKind::Pool
            | WatchKind::Class
            | WatchKind::Namespace
            | WatchKind::Node
            | WatchKind::Driver
            | WatchKind::KubeVirt
            | WatchKind::Plugin => None,
        };
        if let Some(told) = told {
            told.send_if_modified(|count| {
                *count += u64::from(changed);
                changed
            });
        }
        if replans(kind, listed, changed) {
            world.replan.notify_one();
        }
        if told.is_none() && !quiet {
            world.restate.notify_one();
        }
    }));
}

/// Whether there is something to plan. No plan depends on pods; but none is made before all was listed, and theirs may be
/// the list that was missing.
fn replans(kind: WatchKind, listed: bool, changed: bool) -> bool {
    listed || (changed && !matches!(kind, WatchKind::Vm | WatchKind::Agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_kind_is_listed_last_a_plan_follows() {
        for kind in WatchKind::ALL {
            assert!(replans(kind, true, false), "{kind:?}");
        }
    }

    #[test]
    fn a_vm_or_an_agent_s_pod_that_comes_or_goes_plans_nothing() {
        assert!(!replans(WatchKind::Vm, false, true) && !replans(WatchKind::Agent, false, true));
        assert!(replans(WatchKind::Namespace, false, true));
    }
}
