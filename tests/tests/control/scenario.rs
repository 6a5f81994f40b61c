//! Everything of a cluster but its kubelets: API server, replicas behind a Service, and agents on their nodes.

use std::thread;
use std::time::Duration;

use entropool_tests::EgdClient;
use entropool_tests::cluster::{Agent, ApiServer, Controller, Service};

use crate::kubectl::{apply, class, cluster, pool};
use crate::work_clock::WorkClock;

/// From the end of a fault until the next edit is run by all.
pub(crate) const CONVERGED: Duration = Duration::from_secs(5);

pub(crate) fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}

pub(crate) struct Scenario {
    pub(crate) api: ApiServer,
    pub(crate) service: Service,
    pub(crate) replicas: Vec<Controller>,
    pub(crate) agents: Vec<Agent>,
}

impl Scenario {
    /// With these replicas, and the nodes n1 and n2.
    pub(crate) fn set(replicas: &[&str]) -> Self {
        let (api, service) = (cluster(&[]), Service::start().unwrap());
        let mut scene = Self { api, service, replicas: Vec::new(), agents: Vec::new() };
        scene.start_replicas(replicas);
        let agent = |node| Agent::start(&scene.api, scene.service.address, node).unwrap();
        scene.agents = ["n1", "n2"].map(agent).into();
        scene
    }

    /// The same with class gold at that rate, and VM `vm` in it on n1.
    pub(crate) fn with_a_vm(replicas: &[&str], rate: &str) -> Self {
        let scene = Self::set(replicas);
        apply(&scene.api, &(pool("32Ki/s") + &class("gold", &format!("rate: {rate}"))));
        scene.all_run("gold", rate);
        scene.attach("vm", "gold").unwrap();
        scene.draws("vm");
        scene
    }

    pub(crate) fn start_replicas(&mut self, names: &[&str]) {
        for name in names {
            let replica = Controller::start(&self.api, name).unwrap();
            self.service.add(replica.agents);
            self.replicas.push(replica);
        }
    }

    /// Takes a replica out, to be ended in whatever way.
    pub(crate) fn take_replica(&mut self, name: &str) -> Controller {
        let at = self.replicas.iter().position(|replica| replica.name() == name).unwrap();
        self.replicas.swap_remove(at)
    }

    /// The one that writes.
    pub(crate) fn leader(&self) -> String {
        for _ in 0..300 {
            let leads = |replica: &&Controller| {
                let metrics = replica.get("/metrics").map(|(_, metrics)| metrics).unwrap_or_default();
                metrics.contains("entropool_controller_leader 1")
            };
            if let Some(leader) = self.replicas.iter().find(leads) {
                return leader.name().to_owned();
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("nobody leads")
    }

    pub(crate) fn all_run(&self, class: &str, rate: &str) {
        self.agents.iter().for_each(|agent| agent.wait_for_rate(class, rate).unwrap());
    }

    /// Edits gold, and says how long it took until all agents ran it, as [`Turns`] count.
    pub(crate) fn edit_and_follow(&self, rate: &str) -> Duration {
        let turns = WorkClock::begin();
        apply(&self.api, &class("gold", &format!("rate: {rate}")));
        self.all_run("gold", rate);
        turns.passed()
    }

    pub(crate) fn draws(&self, vm: &str) {
        let mut client = EgdClient::connect(&self.agents[0].socket(vm)).unwrap();
        assert_eq!(client.read(64).unwrap().len(), 64);
    }

    /// The same of an agent that has just started again, as a QEMU that reconnects sees it.
    pub(crate) fn draws_again(&self, vm: &str) {
        let socket = self.agents[0].socket(vm);
        let back = |_| {
            thread::sleep(Duration::from_millis(100));
            EgdClient::connect(&socket).is_ok()
        };
        assert!((0..300).any(back), "{vm} has no socket: {}", self.agents[0].log());
        self.draws(vm);
    }

    pub(crate) fn attach(&self, vm: &str, class: &str) -> anyhow::Result<String> {
        self.agents[0].ask(&["attach", &format!("{vm}=default/{class},client=egd")])
    }
}
