//! An agent that says what it likes, beside one that is well: what it says of its own node is believed, and costs no more than
//! a node may cost.

use std::fs;

use delivery::{
    AgentCondition, AgentState, AgentSubscription, FromAgent, FromController, Nack, PoolRefusal, Report,
    VmReport, VmsReport,
};
use entropool_tests::cluster::Controller;

use crate::grpc_client::{self, Call};
use crate::kubectl::{apply, class, condition, get, pool, until, until_condition};
use crate::scenario::Scenario;

/// The node n9 in other hands, and the nonce of its first update.
async fn stolen(scene: &Scenario) -> (Call, u64) {
    scene.api.add_node("n9").unwrap();
    apply(
        &scene.api,
        "{apiVersion: v1, kind: Node, metadata: {name: n9, labels: {entropool.io/agent: ready}}}",
    );
    let token = scene.api.agent_token("n9").unwrap();
    let tls = grpc_client::tls(&scene.api.controllers_authority().unwrap());
    let channel = grpc_client::channel(scene.replicas[0].agents, tls).await;
    let bearer = format!("Bearer {}", token.trim_end());
    let (call, first) = grpc_client::subscribe(channel, &[&bearer], "n9").await.unwrap();
    (call, nonce_of(first).unwrap())
}

/// `None` if it is no update.
fn nonce_of(message: proto::delivery::FromController) -> Option<u64> {
    match codec::controller::from_proto(message).unwrap() {
        FromController::Update(update) => Some(update.nonce),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_one_node_refuses_is_the_only_one_that_is_not_programmed() {
    let scene = Scenario::set(&["only"]);
    let api = &scene.api;
    let odd = pool("32Ki/s").replace("name: default", "name: odd");
    let of_odd = class("of-odd", "rate: 1Ki/s").replace("pool: default", "pool: odd");
    apply(api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s") + &odd + &of_odd));
    scene.all_run("gold", "8Ki/s");
    let (call, nonce) = stolen(&scene).await;
    let refusal = Nack::new("NoMemory", "cannot set up the supply of pool odd: there is no memory");
    let refused = vec![PoolRefusal { pool: "odd".to_owned(), refusal }];
    call.say(FromAgent::Ack { nonce, refused }).await.unwrap();
    for object in ["epool/odd", "eclass/of-odd"] {
        let told = until_condition(api, object, "Programmed", "False NodesRefused");
        let conditions = told["status"]["conditions"].as_array().unwrap();
        let programmed = conditions.iter().find(|it| it["type"] == "Programmed").unwrap();
        let message = programmed["message"].as_str().unwrap();
        assert!(message.contains("node n9 refused it: cannot set up the supply of pool odd"), "{message}");
        assert_eq!(condition(&told, "Ready"), "False NodesRefused");
    }
    for object in ["epool/default", "eclass/gold"] {
        until_condition(api, object, "Programmed", "True Programmed");
        until_condition(api, object, "Ready", "True AsPromised");
    }
}

/// What is resident of the controller's memory, in KiB.
fn resident(controller: &Controller) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", controller.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_reports_a_million_vms_costs_no_more_than_one_that_has_a_node_full() {
    const MESSAGES: usize = 90;
    const VMS: usize = 10_000;
    let scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    let api = &scene.api;
    apply(api, &class("gold", "rate: 8Ki/s, perVM: {rate: 1Ki/s}"));
    until(api, "node/n1", "told of its slots", |node| node["status"]["capacity"]["entropool.io/gold"] == "7");
    let before = resident(&scene.replicas[0]);
    let lines = scene.replicas[0].log().lines().count();
    let (mut call, nonce) = stolen(&scene).await;
    call.say(FromAgent::Ack { nonce, refused: Vec::new() }).await.unwrap();
    for message in 0..MESSAGES {
        let vm = |at: usize| {
            let number = message * VMS + at;
            let class = format!("invented-{number}");
            let vm = VmReport { pool: "default".to_owned(), class, slot: None, orphaned: true };
            (format!("{number:036}"), vm)
        };
        let condition =
            AgentCondition { status: true, reason: format!("Reason{message}"), message: "x".repeat(10_000) };
        let report = Report {
            vms: Some(VmsReport { vms: (0..VMS).map(vm).collect(), ..VmsReport::default() }),
            agent: Some(AgentState {
                ready: true,
                conditions: [(format!("Kind{message}"), condition)].into(),
            }),
            ..Report::default()
        };
        call.say(FromAgent::Report(report)).await.unwrap();
        // 20 a second are allowed, and a hundred at once.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // It is answered when all before it is read.
    let subscription = AgentSubscription { node: "n9".to_owned(), ..AgentSubscription::default() };
    call.say(FromAgent::Subscribe(subscription)).await.unwrap();
    while call.next().await.map(nonce_of).unwrap() <= Some(nonce) {}
    let grown = resident(&scene.replicas[0]).saturating_sub(before);
    assert!(grown < 40 << 10, "{grown} KiB for {} VMs", MESSAGES * VMS);
    let log = scene.replicas[0].log();
    let said = log.lines().count() - lines;
    assert!(said < 400, "{said} lines: {log}");
    // The other node is as it was.
    assert_eq!(get(api, "node/n1")["status"]["capacity"]["entropool.io/gold"], "7");
    scene.draws("vm");
    let events = get(api, "events");
    let told = events["items"].as_array().unwrap().iter();
    let orphaned = told.filter(|event| event["reason"] == "Orphaned").count();
    assert!(orphaned <= 64, "{orphaned} Events of classes that do not exist");
}
