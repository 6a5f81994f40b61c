//! Half requests from many addresses, at every port that the chart's pods have. The honest clients are the kubelet, which
//! probes what the chart has it probe, an agent that connects, and the API server.

mod attack;
mod probes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use entropool_tests::cluster::{Agent, ApiServer, Controller};
use serde_json::json;

use self::attack::{Attack, Half, Port};
use self::probes::{Container, Probe};
use crate::grpc_client;
use crate::kubectl::{apply, class, cluster, pool, until_condition};
use crate::webhooks::{dry, reader};

const ADDRESSES: [usize; 3] = [1, 8, 64];
/// Of a port for health or metrics, which has room for 64.
const PLAIN: usize = 160;
/// Of a port behind TLS: more than the API server's has room for, and more than half a handshake used to keep out.
const BEHIND_TLS: usize = 1_200;
/// The same in a long run: more than the agents' port has room for.
const BEHIND_TLS_FOR_LONG: usize = 6_400;
/// How long an honest agent waits for its first message.
const CONNECTED: Duration = Duration::from_secs(5);

struct Scene {
    api: ApiServer,
    controller: Controller,
    agent: Agent,
    probes: Vec<Probe>,
    ports: Vec<Port>,
    /// Of an agent that connects beside the attack.
    token: String,
}

impl Scene {
    fn set(behind_tls: usize) -> Self {
        let api = cluster(&[]);
        apply(&api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s, maxVMs: 4")));
        apply(&api, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
        apply(&api, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}");
        let controller = Controller::start(&api, "only").unwrap();
        api.install_webhooks(&controller).unwrap();
        until_condition(&api, "eclass/gold", "Accepted", "True Accepted");
        let (agent, own) = Agent::start_in_a_pod(&api, controller.agents, "n1").unwrap();
        api.add_node("n2").unwrap();
        let token = api.agent_token("n2").unwrap().trim_end().to_owned();

        let of_controller = Container {
            template: "templates/controller.yaml",
            ports: vec![
                ("agents", controller.agents),
                ("webhooks", controller.webhooks),
                ("http", controller.http),
                ("health", controller.health),
            ],
            pod_dir: agent.pod_dir(),
        };
        let of_agent = Container {
            template: "templates/agent.yaml",
            ports: vec![("http", own.http), ("health", own.health)],
            pod_dir: agent.pod_dir(),
        };
        let tls = grpc_client::tls(&api.controllers_authority().unwrap());
        let port = |(name, address): (&str, SocketAddr)| {
            let protocol: Option<&[u8]> = match name {
                "agents" => Some(b"h2"),
                "webhooks" => Some(b"http/1.1"),
                _ => None,
            };
            let tls = protocol.map(|protocol| {
                let mut tls = (*tls).clone();
                tls.alpn_protocols = vec![protocol.to_vec()];
                Arc::new(tls)
            });
            let attackers = if tls.is_some() { behind_tls } else { PLAIN };
            Port { name: name.to_owned(), address, tls, attackers }
        };
        let containers = [of_controller, of_agent];
        let probes = containers.iter().flat_map(Container::probes).collect();
        let ports = containers.iter().flat_map(Container::ports).map(port).collect();
        Self { api, controller, agent, probes, ports, token }
    }

    /// What honest clients of the programs see.
    fn check(&self, port: &Port) -> Result<(), String> {
        self.probes.iter().try_for_each(Probe::make)?;
        match port.name.as_str() {
            "agents" => self.connect(),
            "webhooks" => self.ask(),
            _ => Ok(()),
        }
    }

    /// An agent connects, and gets its configuration.
    fn connect(&self) -> Result<(), String> {
        let tls = grpc_client::tls(&self.api.controllers_authority().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connect = async {
            let channel = grpc_client::channel(self.controller.agents, tls).await;
            grpc_client::subscribe(channel, &[&format!("Bearer {}", self.token)], "n2").await
        };
        let connected = runtime.block_on(async { tokio::time::timeout(CONNECTED, connect).await });
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(format!("an agent is refused: {status}")),
            Err(_) => Err("an agent gets no configuration".to_owned()),
        }
    }

    /// The API server asks the controller about a pod, and is answered.
    fn ask(&self) -> Result<(), String> {
        let pod = dry(&self.api, &reader("beside", &json!({})))?;
        let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
        if requests["entropool.io/gold"] == "1" {
            Ok(())
        } else {
            Err(format!("no slot is requested: {pod}"))
        }
    }
}

#[test]
fn no_probe_fails_beside_half_requests_at_any_port() {
    let mut run = soak::Run::begin("ports", 90, 1_350);
    let scene = Scene::set(if run.is_long() { BEHIND_TLS_FOR_LONG } else { BEHIND_TLS });
    assert_eq!(scene.ports.len(), 6);
    assert_eq!(scene.probes.len(), 4);
    let attacks: Vec<_> = scene
        .ports
        .iter()
        .flat_map(|port| ADDRESSES.map(|addresses| Half::ALL.map(|half| (port, addresses, half))))
        .flatten()
        .collect();
    let seconds = if run.is_long() { 3 } else { 1 };
    for (port, addresses, half) in attacks.iter().cycle().take(usize::try_from(run.count()).unwrap()) {
        let attack = Attack::begin(port, *addresses, *half);
        for second in 0..seconds {
            if second > 0 {
                thread::sleep(Duration::from_secs(1));
            }
            if let Err(failed) = scene.check(port) {
                let (name, address) = (&port.name, port.address);
                panic!("{half:?} at {name} ({address}) from {addresses} addresses: {failed}");
            }
        }
        drop(attack);
    }
    assert_eq!(scene.agent.log().matches("subscribed").count(), 1, "{}", scene.agent.log());
    run.figure("attacks", attacks.len() as u64);
}
