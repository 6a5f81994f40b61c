//! The chart as Helm renders it, at an API server that says whether it would take it.

use entropool_tests::cluster::{NAMESPACE, rendered};
use serde_json::Value;

use super::server;

/// All objects, with these values.
fn objects(values: &[&str]) -> Vec<Value> {
    let text = rendered(values).unwrap();
    let documents = text.split("\n---\n").filter(|it| it.lines().any(|line| line.starts_with("kind:")));
    documents.map(|document| serde_yaml::from_str(document).unwrap()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn all_of_the_chart_would_be_taken() {
    let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}");
    assert!(server().feed(["apply", "--server-side", "-f", "-"], &namespace).unwrap().status.success());
    let policy = [
        "--set",
        "networkPolicy.enabled=true",
        "--set",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b",
    ];
    for values in [&[][..], &policy, &["--set", "agent.privileged=true"]] {
        let words = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
        let taken = server().feed(words, &rendered(values).unwrap()).unwrap();
        assert!(taken.status.success(), "{values:?}: {}", String::from_utf8_lossy(&taken.stderr));
    }
}

/// On such clusters a Service's address in the environment has no brackets, and a pod has no 0.0.0.0.
#[test]
fn nothing_of_the_chart_depends_on_ipv4() {
    let all = objects(&[]);
    let agent = of_kind(&all, "DaemonSet")[0];
    let args = agent.pointer("/spec/template/spec/containers/0/args").unwrap().as_array().unwrap();
    let arg = |name: &str| args.iter().find_map(|arg| arg.as_str()?.strip_prefix(name)).unwrap();
    assert_eq!(arg("--metrics="), "[::]:9090");
    let controller = arg("--controller=")
        .replace("$(ENTROPOOL_CONTROLLER_SERVICE_HOST)", "fd00:10:96::1f")
        .replace("$(ENTROPOOL_CONTROLLER_SERVICE_PORT_AGENTS)", "8443");
    // As the agent's own test has it.
    assert_eq!(controller, "https://fd00:10:96::1f:8443");
}

#[test]
fn who_reaches_the_controller_is_said_where_it_is_asked_for() {
    assert!(of_kind(&objects(&[]), "NetworkPolicy").is_empty());
    let all = objects(&["--set", "networkPolicy.enabled=true"]);
    let [policy] = of_kind(&all, "NetworkPolicy")[..] else { panic!("{all:#?}") };
    let deployment = of_kind(&all, "Deployment")[0];
    let selector = &policy["spec"]["podSelector"]["matchLabels"];
    for (label, value) in selector.as_object().unwrap() {
        assert_eq!(&deployment["spec"]["template"]["metadata"]["labels"][label], value);
    }
    let ports = deployment.pointer("/spec/template/spec/containers/0/ports").unwrap().as_array().unwrap();
    let rules = policy["spec"]["ingress"].as_array().unwrap();
    for port in ports {
        let of_port = |rule: &&Value| rule["ports"][0]["port"] == port["name"];
        // Health is for the kubelet alone, which is always allowed.
        let expected = usize::from(port["name"] != "health");
        assert_eq!(rules.iter().filter(of_port).count(), expected, "{}", port["name"]);
    }
    let agents = of_kind(&all, "DaemonSet")[0].pointer("/spec/template/metadata/labels").unwrap();
    for (label, value) in rules[0]["from"][0]["podSelector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&agents[label], value);
    }
    let refused = rendered(&["--set", "networkPolicy.metricsFrom[0].pods=all"]).unwrap_err().to_string();
    assert!(refused.contains("metricsFrom"), "{refused}");
}
