//! The controller's Service is deleted and made anew: it has another address then, and agents follow.

use entropool_tests::cluster::{Agent, ApiServer, Controller, NAMESPACE};
use serde_json::Value;

use crate::kubectl::{apply, class, cluster, pool};

const SERVICE: &str = "service/entropool-controller";

/// Makes the Service with another address than the one that is taken, and returns its own.
fn make(api: &ApiServer, taken: &str) -> String {
    for _ in 0..20 {
        apply(
            api,
            &format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: entropool-controller, namespace: {NAMESPACE}}}, spec: {{ports: \
                 [{{name: agents, port: 8443}}, {{name: webhooks, port: 443}}]}}}}"
            ),
        );
        let path = ["get", SERVICE, "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"];
        let address = api.said(path).unwrap();
        if address != taken {
            return address;
        }
        api.said(["delete", SERVICE, "-n", NAMESPACE]).unwrap();
    }
    panic!("the API server gives no address but {taken}");
}

fn until_published(api: &ApiServer, address: &str) {
    let mut last = Value::Null;
    for _ in 0..300 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let Ok(map) = api.said(["get", "configmap/entropool-ca", "-n", NAMESPACE, "-o", "json"]) else {
            continue;
        };
        last = serde_json::from_str(&map).unwrap();
        if last["data"]["controller"] == format!("https://{address}:8443") {
            return;
        }
    }
    panic!("{address} is not published: {last:#}");
}

#[test]
fn the_controller_publishes_its_service_and_agents_follow_what_is_published() {
    let api = cluster(&["n1"]);
    let first = Controller::start(&api, "first").unwrap();
    let address = make(&api, "");
    until_published(&api, &address);
    api.said(["delete", SERVICE, "-n", NAMESPACE]).unwrap();
    until_published(&api, &make(&api, &address));
    let renewed = first.log().matches("serving certificate renewed").count();
    assert!(renewed >= 3, "it has {renewed} certificates: {}", first.log());

    let mut agent = Agent::start(&api, first.agents, "n1").unwrap();
    apply(&api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s")));
    agent.wait_for_rate("gold", "8Ki/s").unwrap();
    let second = Controller::start(&api, "second").unwrap();
    agent.publish_controller(&format!("https://{}\n", second.agents)).unwrap();
    first.stop().unwrap();
    // Within seconds, whichever of the two leads.
    agent.wait_for_log(&second.agents.to_string()).unwrap();
    apply(&api, &class("gold", "rate: 9Ki/s"));
    agent.wait_for_rate("gold", "9Ki/s").unwrap();
    let address = format!("https://{}", second.agents);
    assert!(agent.log().contains(&address), "{address} is not in its log");
    // What is no address, or one where nobody is, changes nothing.
    for nonsense in ["", "nowhere", "https://127.0.0.1:1"] {
        agent.publish_controller(nonsense).unwrap();
        assert_eq!(agent.rate_of("gold").unwrap().as_deref(), Some("9Ki/s"));
    }
}
