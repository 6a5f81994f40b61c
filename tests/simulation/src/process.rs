//! The agent's process: from its start to its death.

use std::path::Path;

use agent::testing::attachments::Attachment;
use dataplane::{AttachRequest, Client, DataPlaneSnapshot, PoolConfig, Simulated, SupplySpec};
use delivery::NodeConfig;
use htb::{Rate, Tick};
use source::fake::{Fake, FakeNode};
use source::{OnFailure, PoolSpec, PoolStatus, Serving, SourceKind, Supply, SupplyError};

use crate::mutations::Mutation;

/// A process that serves.
pub(crate) struct Process {
    pub(crate) stage: Simulated,
    node: FakeNode,
    plant: Option<Mutation>,
}

impl Process {
    /// One that goes on from what the one before it noted in its state file.
    pub(crate) fn start(fakes: &[Fake], plant: Option<Mutation>, state: &Path) -> Self {
        Self { stage: Simulated::with_bucket_state_file(state).unwrap(), node: FakeNode::new(fakes), plant }
    }

    /// One that is to take over from another.
    pub(crate) fn succeed(fakes: &[Fake], plant: Option<Mutation>, state: &Path) -> Self {
        Self { stage: Simulated::successor(state).unwrap(), node: FakeNode::new(fakes), plant }
    }

    /// Applies a configuration.
    pub(crate) fn apply(&mut self, config: &NodeConfig, now: Tick) -> Result<(), String> {
        let mut pools = agent::testing::pool_configs(config).map_err(|error| error.to_string())?;
        for pool in &mut pools {
            spoil(pool, self.plant);
        }
        let Self { stage, node, .. } = self;
        node.now = now.0;
        let bell = stage.waker();
        let supply = |spec: &SupplySpec| match spec {
            SupplySpec::Kernel => Supply::kernel().map_err(SupplyError::NoMemory),
            SupplySpec::Sources { spec, .. } => {
                let bell = bell.clone();
                Ok(node.supply_of(PoolSpec::clone(spec), &stations(spec), move || bell.wake()))
            }
        };
        stage.apply(pools, supply, now).map_err(|error| error.to_string())
    }

    pub(crate) fn attach(&mut self, vm: &Attachment, path: &Path, now: Tick) -> Result<(), String> {
        self.stage.attach(wanted(vm, self.plant), path, now).map_err(|error| error.to_string())
    }

    pub(crate) fn detach(&mut self, id: &str, now: Tick) -> Result<(), String> {
        self.stage.detach(id, now).map_err(|error| error.to_string())
    }

    /// Moves a VM to the class that it now names.
    pub(crate) fn move_vm(&mut self, vm: &Attachment, path: &Path, now: Tick) -> Result<(), String> {
        if self.plant == Some(Mutation::MovedWithoutDebt) {
            self.detach(&vm.id, now)?;
            return self.attach(vm, path, now);
        }
        let class = vm.class.as_deref().unwrap_or_default();
        self.stage.move_vm(&vm.id, class, now).map_err(|error| error.to_string())
    }

    /// Does all that there is to do at this instant: whether that was anything, and when there is more.
    pub(crate) fn turn(&mut self, now: Tick) -> (bool, Option<Tick>) {
        let mut did = false;
        loop {
            self.node.now = now.0;
            let node = self.node.run_until_idle().map(Tick);
            let turn = self.stage.step(now);
            if turn.batches == 0 {
                return (did, node.into_iter().chain(turn.due).min());
            }
            did = true;
        }
    }

    pub(crate) fn snapshot(&self, now: Tick) -> DataPlaneSnapshot {
        self.stage.snapshot(now)
    }

    /// How the pools stand that have sources of their own.
    pub(crate) fn pools(&self) -> Vec<PoolStatus> {
        let mut pools: Vec<_> = self.node.statuses().collect();
        if self.plant == Some(Mutation::HeldInNameOnly) {
            let degraded = pools.iter_mut().filter(|pool| pool.serving == Serving::Degraded);
            degraded.for_each(|pool| pool.serving = Serving::Held);
        }
        pools
    }

    pub(crate) fn retest(&self, source: &str) {
        self.node.retest_all(source);
    }

    pub(crate) fn crash(self) {
        self.stage.crash();
    }
}

/// A VM as it is attached.
pub(crate) fn wanted(vm: &Attachment, plant: Option<Mutation>) -> AttachRequest {
    let request = vm.request();
    let client = if plant == Some(Mutation::NoPush) { Client::Egd } else { request.client };
    AttachRequest { client, ..request }
}

/// Which of the node's sources these are, by the last letter of their paths.
fn stations(spec: &PoolSpec) -> Vec<usize> {
    let station = |kind: &SourceKind| match kind {
        SourceKind::Device(path) => path.to_str()?.strip_prefix("/dev/noise")?.parse().ok(),
        _ => None,
    };
    spec.sources.iter().filter_map(|source| station(&source.kind)).collect()
}

/// Plants a bug in what the server is told.
fn spoil(pool: &mut PoolConfig, plant: Option<Mutation>) {
    let half = |rate: &mut Rate| rate.0 /= 2;
    let double = |rate: &mut Rate| rate.0 *= 2;
    match plant {
        Some(Mutation::LooseCeil) => {
            double(&mut pool.params.root.ceil);
            pool.params.classes.iter_mut().for_each(|class| {
                double(&mut class.shape.ceil);
                double(&mut class.per_vm.ceil);
            });
        }
        Some(Mutation::ShortRate) => {
            pool.params.classes.iter_mut().for_each(|class| {
                half(&mut class.per_vm.rate);
                class.per_vm.ceil = class.per_vm.ceil.min(Rate::per_second(crate::scenario::GOLD / 2));
            });
        }
        Some(Mutation::DegradedInstead | Mutation::HeldInNameOnly) => sources(pool, |spec, allowed| {
            spec.on_failure = OnFailure::Degrade;
            allowed.insert("silver".to_owned());
        }),
        _ => {}
    }
}

fn sources(
    pool: &mut PoolConfig,
    change: impl FnOnce(&mut PoolSpec, &mut std::collections::BTreeSet<String>),
) {
    if let SupplySpec::Sources { spec, allow_degraded } = &mut pool.supply {
        change(spec, allow_degraded);
    }
}
