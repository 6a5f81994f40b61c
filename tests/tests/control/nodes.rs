//! Agents' pods and nodes: who is believed while its pod lives, and what is left on a node after an agent.

use entropool_tests::cluster::{Controller, NAMESPACE};

use crate::kubectl::{apply, class, pool, until, until_condition};
use crate::scenario::Scenario;

#[test]
fn the_stream_of_a_pod_that_is_deleted_ends_at_once_and_another_pod_of_the_node_is_let_in() {
    let mut scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    let pod =
        ["delete", "pod", "entropool-agent-n1", "--force", "--grace-period=0", "--namespace", NAMESPACE];
    scene.api.said(pod).unwrap();
    scene.agents[0].wait_for_log("lost the controller").unwrap();
    scene.agents[0].wait_for_log("ControllerRefused").unwrap();
    assert!(scene.replicas[0].log().contains("UnknownPod"), "{}", scene.replicas[0].log());
    // What it has goes on; what is new does not reach it.
    scene.draws("vm");
    apply(&scene.api, &class("gold", "rate: 9Ki/s"));
    scene.agents[1].wait_for_rate("gold", "9Ki/s").unwrap();
    assert_eq!(scene.agents[0].rate_of("gold").unwrap().as_deref(), Some("8Ki/s"));
    scene.agents[0].renew_trust(&scene.api).unwrap();
    scene.all_run("gold", "9Ki/s");
}

#[test]
fn before_an_uninstallation_nodes_are_as_they_were() {
    let mut scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    apply(&scene.api, &class("gold", "rate: 8Ki/s, perVM: {rate: 1Ki/s}"));
    for node in ["node/n1", "node/n2"] {
        until(&scene.api, node, "ready, with places", |node| {
            node["metadata"]["labels"]["entropool.io/agent"] == "ready"
                && !node["status"]["capacity"]["entropool.io/gold"].is_null()
        });
    }
    let log = Controller::errand(&scene.api, &["clean-nodes"]).unwrap();
    assert!(log.contains("nodes cleaned"), "{log}");
    // The controller and its agents still run, and leave the nodes alone.
    scene.draws("vm");
    std::thread::sleep(std::time::Duration::from_secs(3));
    for node in ["node/n1", "node/n2"] {
        let node = crate::kubectl::get(&scene.api, node);
        assert!(node["metadata"]["labels"]["entropool.io/agent"].is_null(), "{node:#}");
        assert!(!node["status"].to_string().contains("entropool.io/"), "{node:#}");
    }
    let only = scene.take_replica("only");
    only.stop().unwrap();
}

#[test]
fn what_is_applied_together_is_not_warned_of() {
    let scene = Scenario::set(&["only"]);
    // The class comes first, and names a pool that is not there yet; the pool names the class.
    let pool = pool("32Ki/s").replace("{rate: 32Ki/s}", "{rate: 32Ki/s, defaultClass: gold}");
    apply(&scene.api, &(class("gold", "rate: 8Ki/s, parent: paid") + &class("paid", "rate: 16Ki/s") + &pool));
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    until_condition(&scene.api, "epool/default", "Ready", "True AsPromised");
    let events = crate::kubectl::get(&scene.api, "events");
    let warnings: Vec<_> =
        events["items"].as_array().unwrap().iter().filter(|event| event["type"] == "Warning").collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}
