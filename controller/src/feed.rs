//! The watches, each feeding the index.

use std::sync::Arc;

use api::names::{VM_LABEL, VM_TRUE};
use delivery::trust::Agents;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::index::Index;
use crate::watch::{Follow, Kind, Object, Seen};
use crate::world::World;

/// Starts to follow every kind.
pub(crate) fn start(world: &Arc<World>, client: &Client, agents: &Agents, tasks: &mut JoinSet<()>) {
    follow(world, tasks, Kind::Pool, Api::all(client.clone()), Only::default(), Index::pools);
    follow(world, tasks, Kind::Class, Api::all(client.clone()), Only::default(), Index::classes);
    follow(world, tasks, Kind::Namespace, Api::all(client.clone()), Only::default(), Index::namespaces);
    follow(world, tasks, Kind::Node, Api::all(client.clone()), Only::default(), Index::nodes);
    follow(world, tasks, Kind::Driver, Api::all(client.clone()), Only::default(), Index::drivers);
    let vms = Only { labels: Some(format!("{VM_LABEL}={VM_TRUE}")), ..Only::default() };
    follow(world, tasks, Kind::Vm, Api::all(client.clone()), vms, Index::vms);
    let account = format!("spec.serviceAccountName={}", agents.service_account);
    let own = Only { fields: Some(account), ..Only::default() };
    let api = Api::namespaced(client.clone(), &agents.namespace);
    follow(world, tasks, Kind::Agent, api, own, Index::agents);
}

/// Which objects of a kind.
#[derive(Default)]
struct Only {
    labels: Option<String>,
    fields: Option<String>,
}

fn follow<K>(
    world: &Arc<World>,
    tasks: &mut JoinSet<()>,
    kind: Kind,
    api: Api<K>,
    only: Only,
    take: fn(&mut Index, Seen<K>) -> bool,
) where
    K: Object + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let world = Arc::clone(world);
    let Only { labels, fields } = only;
    let follow = Follow { kind, api, labels, fields, relist: world.relist(kind) };
    tasks.spawn(follow.run(move |seen| {
        let listed = matches!(seen, Seen::Listed(..));
        let quiet = matches!(seen, Seen::Reached(_) | Seen::Lost);
        let changed = take(&mut world.index(), seen);
        // Who moved, and whose pod is gone, is found out where the streams are.
        let told = match kind {
            Kind::Vm => Some(&world.moves),
            Kind::Agent => Some(&world.agents),
            Kind::Pool
            | Kind::Class
            | Kind::Namespace
            | Kind::Node
            | Kind::Driver
            | Kind::KubeVirt
            | Kind::Plugin => None,
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
fn replans(kind: Kind, listed: bool, changed: bool) -> bool {
    listed || (changed && !matches!(kind, Kind::Vm | Kind::Agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_kind_is_listed_last_a_plan_follows() {
        for kind in Kind::ALL {
            assert!(replans(kind, true, false), "{kind:?}");
        }
    }

    #[test]
    fn a_vm_or_an_agent_s_pod_that_comes_or_goes_plans_nothing() {
        assert!(!replans(Kind::Vm, false, true) && !replans(Kind::Agent, false, true));
        assert!(replans(Kind::Namespace, false, true));
    }
}
