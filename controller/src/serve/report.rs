//! What an agent says of its node, as status needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Reason;
use delivery::publisher::Standing;
use delivery::{Health, NodeConfig, Output, PoolConfig, Report, Serving, SourceState, Supplies, Vms};
use plan::{ClassReport, NodeReport, PoolReport, Supply, Taken};

/// All that one agent has said on its stream.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) ready: bool,
    pub(super) vms: Vms,
    supplies: Supplies,
    /// The VMs, counted by pool and class.
    classes: BTreeMap<String, Arc<BTreeMap<String, ClassReport>>>,
    changes: u64,
}

impl Heard {
    /// Takes a report in; what it does not speak of stays.
    pub(super) fn hear(&mut self, report: Report) {
        if let Some(agent) = report.agent {
            self.ready = agent.ready;
        }
        if let Some(vms) = report.vms {
            vms.amend(&mut self.vms);
        }
        if let Some(supplies) = report.supplies {
            self.supplies = supplies;
        }
        self.changes += 1;
    }

    /// Counts the VMs anew. `labelled` tells of a uid whether our webhook labelled that pod: it alone has pods ask for
    /// places, whatever else a volume says of itself.
    pub(super) fn count(&mut self, labelled: impl Fn(&str) -> bool) {
        let classes = counted(&self.vms, labelled);
        if classes != self.classes {
            self.classes = classes;
            self.changes += 1;
        }
    }

    /// How often something changed of what the node's report is made from.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The node, as far as it runs what is planned for it.
    pub(super) fn node(&self, standing: &Standing, config: &NodeConfig) -> NodeReport {
        let pools = config.pools.iter().map(|pool| {
            let report = PoolReport {
                taken: taken(standing),
                supply: self.supplies.get(&pool.name).map(|supply| supplied(supply, pool)),
                classes: self.classes.get(&pool.name).cloned().unwrap_or_default(),
            };
            (pool.name.clone(), report)
        });
        NodeReport { connected: true, ready: self.ready, pools: pools.collect() }
    }
}

/// By pool, then class.
fn counted(
    vms: &Vms,
    labelled: impl Fn(&str) -> bool,
) -> BTreeMap<String, Arc<BTreeMap<String, ClassReport>>> {
    let mut pools: BTreeMap<&str, BTreeMap<String, ClassReport>> = BTreeMap::new();
    for (uid, vm) in vms {
        let class = pools.entry(&vm.pool).or_default().entry(vm.class.clone()).or_default();
        class.vms += 1;
        let placed = vm.place.as_ref() == Some(&vm.class) && labelled(uid);
        class.unplaced += u32::from(!placed);
    }
    pools.into_iter().map(|(pool, classes)| (pool.to_owned(), Arc::new(classes))).collect()
}

fn taken(standing: &Standing) -> Taken {
    match standing {
        Standing::Programmed => Taken::Running,
        Standing::Unknown | Standing::Behind => Taken::Pending,
        Standing::Refused(refusal) => Taken::Refused(refusal.message.clone()),
    }
}

fn supplied(supply: &delivery::Supply, pool: &PoolConfig) -> Supply {
    let served = match supply.serving {
        // A test at the start is no failure: requests wait for it, as for a slow source.
        Serving::Starting | Serving::Promised => Some(pool.output),
        Serving::Degraded => Some(Output::Stretched),
        Serving::Held => None,
    };
    let sources = supply.sources.iter().map(|source| (source.name.clone(), state(source))).collect();
    Supply { sources, served }
}

fn state(source: &SourceState) -> Reason {
    match source.health {
        Health::Healthy => Reason::Healthy,
        Health::Starting => Reason::Starting,
        Health::Suspect | Health::Failed => Reason::HealthTestFailed,
        Health::Unavailable if source.reason == Reason::SourceNotPermitted.as_str() => {
            Reason::SourceNotPermitted
        }
        Health::Unavailable => Reason::SourceUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use delivery::{Vm, VmsReport};

    use super::*;

    #[test]
    fn a_place_is_one_that_a_labelled_pod_asked_for_in_the_class_that_it_is_in() {
        let vm = |place: Option<&str>| Vm {
            pool: "default".to_owned(),
            class: "gold".to_owned(),
            place: place.map(str::to_owned),
            outlived: false,
        };
        let vms = [
            ("launcher", vm(Some("gold"))),
            ("moved-in", vm(Some("silver"))),
            ("plain", vm(None)),
            ("plain-that-says-qemu", vm(Some("gold"))),
        ];
        let vms = vms.map(|(uid, vm)| (uid.to_owned(), vm)).into();
        let mut said = Heard::default();
        said.hear(Report {
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        let before = said.changes();
        said.count(|uid| !uid.starts_with("plain"));
        assert_eq!(said.classes["default"]["gold"], ClassReport { vms: 4, unplaced: 3 });
        assert_eq!(said.changes(), before + 1);
        // A pod whose label comes late changes the sum, and nothing else does.
        said.count(|uid| !uid.starts_with("plain"));
        assert_eq!(said.changes(), before + 1);
        said.count(|uid| uid != "plain");
        assert_eq!(said.classes["default"]["gold"], ClassReport { vms: 4, unplaced: 2 });
        assert_eq!(said.changes(), before + 2);
    }
}
