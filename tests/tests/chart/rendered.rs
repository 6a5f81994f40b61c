//! What the chart renders, where more than a value's text decides.

use std::collections::BTreeMap;
use std::fs;

use entropool_tests::cluster::chart;
use serde_json::{Value, json};

use super::{of_kind, render as objects, text as rendered};

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
    let [policy, agents_policy] = of_kind(&all, "NetworkPolicy")[..] else { panic!("{all:#?}") };
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
    for (label, value) in agents_policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&agents[label], value);
    }
    assert_eq!(agents_policy["spec"]["ingress"], json!([{"ports": [{"port": "http", "protocol": "TCP"}]}]));
    let peer = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b";
    let all = objects(&["--set", "networkPolicy.enabled=true", "--set", peer]);
    for policy in of_kind(&all, "NetworkPolicy") {
        let rules = policy["spec"]["ingress"].as_array().unwrap();
        let http = rules.iter().find(|rule| rule["ports"][0]["port"] == "http").unwrap();
        assert_eq!(http["from"], json!([{"namespaceSelector": {"matchLabels": {"a": "b"}}}]));
    }
}

/// Control tests run the controller with these rights.
#[test]
fn the_rights_in_deploy_are_the_charts() {
    let deployed = fs::read_to_string(chart().join("../../deploy/rbac/controller.yaml")).unwrap();
    let rights = |objects: Vec<Value>| -> BTreeMap<String, Value> {
        let object = |mut object: Value| {
            object["metadata"].as_object_mut().unwrap().remove("labels");
            (format!("{} {}", object["kind"], object["metadata"]["name"]), object)
        };
        objects.into_iter().map(object).collect()
    };
    let own = rights(super::objects(&rendered(&["--show-only", "templates/rbac.yaml"]).unwrap()));
    assert_eq!(own, rights(super::objects(&deployed)));
}

#[test]
fn every_object_and_pod_has_the_common_labels_and_the_release_names() {
    let values = [
        "--set",
        "commonLabels.team=a",
        "--set",
        "fullnameOverride=rations",
        "--set",
        "networkPolicy.enabled=true",
        "--set",
        "metrics.podMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboards.enabled=true",
    ];
    // Cluster-wide objects that programs look for by name.
    let fixed = [
        "CustomResourceDefinition",
        "CSIDriver",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    for object in objects(&values) {
        assert_eq!(object["metadata"]["labels"]["team"], "a", "{object:#}");
        let name = object["metadata"]["name"].as_str().unwrap();
        let kind = object["kind"].as_str().unwrap();
        assert!(name.starts_with("rations") || fixed.contains(&kind), "{kind} {name}");
        if let Some(pod) = object.pointer("/spec/template/metadata/labels") {
            assert_eq!(pod["team"], "a", "{object:#}");
        }
    }
}

#[test]
fn names_follow_the_overrides_and_the_release_only_where_they_are_set() {
    let deployment = |values: &[&str]| {
        let all = objects(values);
        of_kind(&all, "Deployment")[0]["metadata"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(deployment(&[]), "entropool-controller");
    assert_eq!(deployment(&["--set=nameOverride=rng"]), "entropool-rng-controller");
    assert_eq!(deployment(&["--set=nameOverride=pool"]), "entropool-controller");
    assert_eq!(deployment(&["--set=fullnameOverride=rng"]), "rng-controller");
}

#[test]
fn agents_trust_and_call_who_shows_the_certificate() {
    for (values, secret, name) in [
        (&["--set=tls.existingSecret=mine"][..], "mine", "entropool-controller"),
        (
            &["--set=tls.certManager.enabled=true,tls.certManager.issuerRef.name=a,fullnameOverride=rng"],
            "rng-tls",
            "rng-controller",
        ),
    ] {
        let all = objects(values);
        let agent = &of_kind(&all, "DaemonSet")[0]["spec"]["template"]["spec"];
        let url = format!("--controller=https://{name}.entropool-system.svc:8443");
        assert_eq!(agent["containers"][0]["args"][0], url);
        let identity = agent["volumes"].as_array().unwrap().last().unwrap();
        let trusted = &identity["projected"]["sources"][1];
        let only = json!([{"key": "ca.crt", "path": "ca.crt"}]);
        assert_eq!(trusted["secret"], json!({"name": secret, "items": only, "optional": true}));
        let controller = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
        assert_eq!(controller["volumes"][0]["secret"]["secretName"], secret);
        let args = controller["containers"][0]["args"].as_array().unwrap();
        let mount = controller["containers"][0]["volumeMounts"][0]["mountPath"].as_str().unwrap();
        assert!(args.contains(&json!(format!("--tls-dir={mount}"))), "{args:?}");
        let webhook = &of_kind(&all, "MutatingWebhookConfiguration")[0]["webhooks"][0];
        assert_eq!(webhook["clientConfig"]["service"]["name"], name);
        let names = of_kind(&all, "Certificate").iter().map(|it| it["spec"]["dnsNames"].clone()).next();
        let names = names.unwrap_or_else(|| json!([format!("{name}.entropool-system.svc")]));
        assert!(
            names.as_array().unwrap().contains(&json!(format!("{name}.entropool-system.svc"))),
            "{names}"
        );
        // It has no authority of its own to keep.
        let role = of_kind(&all, "Role")[0]["rules"].to_string();
        assert!(!role.contains("secrets") && role.contains("leases"), "{role}");
    }
}

#[test]
fn each_alert_has_a_url_or_none() {
    let alerts = |values: &[&str]| -> Vec<Value> {
        let all = objects(values);
        let groups = of_kind(&all, "PrometheusRule")[0]["spec"]["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    };
    let enabled = "--set=metrics.prometheusRule.enabled=true";
    let without = alerts(&[enabled]);
    assert!(without.iter().all(|alert| alert["annotations"]["runbook_url"].is_null()));
    let with = alerts(&[enabled, "--set=metrics.prometheusRule.runbookUrl=https://git.example.org/tree/"]);
    let root = chart().join("../..");
    for alert in &with {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        let page = url.strip_prefix("https://git.example.org/tree/").unwrap();
        assert!(root.join(page).is_file(), "{page}");
    }
    let file: Value =
        serde_yaml::from_str(&fs::read_to_string(chart().join("files/rules.yaml")).unwrap()).unwrap();
    let own = file["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let own: Vec<_> = own.map(|alert| (&alert["alert"], &alert["expr"])).collect();
    assert_eq!(with.iter().map(|alert| (&alert["alert"], &alert["expr"])).collect::<Vec<_>>(), own);
}
