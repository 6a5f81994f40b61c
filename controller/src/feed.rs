//! The watches, each feeding the index.

use std::sync::Arc;

use api::names::{VM_LABEL, VM_TRUE};
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::index::Index;
use crate::watch::{Follow, Kind, Object, Seen};
use crate::world::World;

/// Starts to follow every kind.
pub(crate) fn start(world: &Arc<World>, client: &Client, tasks: &mut JoinSet<()>) {
    follow(world, tasks, Kind::Pool, Api::all(client.clone()), None, Index::pools);
    follow(world, tasks, Kind::Class, Api::all(client.clone()), None, Index::classes);
    follow(world, tasks, Kind::Namespace, Api::all(client.clone()), None, Index::namespaces);
    follow(world, tasks, Kind::Node, Api::all(client.clone()), None, Index::nodes);
    let vms = Some(format!("{VM_LABEL}={VM_TRUE}"));
    follow(world, tasks, Kind::Vm, Api::all(client.clone()), vms, Index::vms);
}

fn follow<K>(
    world: &Arc<World>,
    tasks: &mut JoinSet<()>,
    kind: Kind,
    api: Api<K>,
    labels: Option<String>,
    take: fn(&mut Index, Seen<K>) -> bool,
) where
    K: Object + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let world = Arc::clone(world);
    let follow = Follow { kind, api, labels, relist: world.relist(kind) };
    tasks.spawn(follow.run(move |seen| {
        let listed = matches!(seen, Seen::Listed(..));
        let quiet = matches!(seen, Seen::Reached(_) | Seen::Lost);
        let changed = take(&mut world.index(), seen);
        if kind == Kind::Vm {
            // Who moved is found out where the VMs are known.
            world.moves.send_if_modified(|count| {
                *count += u64::from(changed);
                changed
            });
        }
        if replans(kind, listed, changed) {
            world.replan.notify_one();
        }
        if kind != Kind::Vm && !quiet {
            world.restate.notify_one();
        }
    }));
}

/// Whether there is something to plan. No plan depends on VMs; but none is made before all was listed, and theirs may be
/// the list that was missing.
fn replans(kind: Kind, listed: bool, changed: bool) -> bool {
    listed || (changed && kind != Kind::Vm)
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
    fn a_vm_that_comes_or_goes_plans_nothing() {
        assert!(!replans(Kind::Vm, false, true));
        assert!(replans(Kind::Namespace, false, true));
    }
}
