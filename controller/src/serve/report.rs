//! What an agent says of its node, as status needs it.

use std::collections::BTreeMap;

use api::Reason;
use delivery::publisher::Standing;
use delivery::{Health, NodeConfig, Output, PoolConfig, Report, Serving, SourceState, Supplies, Vms};
use plan::{ClassReport, NodeReport, PoolReport, Supply, Taken};

/// All that one agent has said on its stream.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) ready: bool,
    pub(super) vms: Vms,
    supplies: Supplies,
}

impl Said {
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
    }

    /// The node, as far as it runs what is planned for it.
    pub(super) fn node(&self, standing: &Standing, config: &NodeConfig) -> NodeReport {
        let mut classes = self.classes();
        let pools = config.pools.iter().map(|pool| {
            let report = PoolReport {
                taken: taken(standing),
                supply: self.supplies.get(&pool.name).map(|supply| supplied(supply, pool)),
                classes: classes.remove(&*pool.name).unwrap_or_default(),
            };
            (pool.name.clone(), report)
        });
        NodeReport { connected: true, ready: self.ready, pools: pools.collect() }
    }

    /// By pool, then class.
    fn classes(&self) -> BTreeMap<&str, BTreeMap<String, ClassReport>> {
        let mut pools: BTreeMap<&str, BTreeMap<String, ClassReport>> = BTreeMap::new();
        for vm in self.vms.values() {
            let class = pools.entry(&vm.pool).or_default().entry(vm.class.clone()).or_default();
            class.vms += 1;
            class.unplaced += u32::from(vm.place.as_ref() != Some(&vm.class));
        }
        pools
    }
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
