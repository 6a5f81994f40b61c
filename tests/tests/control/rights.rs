//! The rights that are shipped: enough for all that the controller does, and none that nothing needs.

use std::collections::BTreeSet;

use entropool_tests::cluster::{Agent, Call, Controller, NAMESPACE};
use serde_json::Value;

use crate::kubectl::{apply, cluster, until, until_condition};
use crate::webhooks::add_kubevirt;

pub(crate) const ACCOUNT: &str = "system:serviceaccount:entropool-system:entropool-controller";
const OBJECTS: &str = "\
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {rate: 32Ki/s}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: gold}, spec: {pool: default, rate: 16Ki/s, perVM: {rate: 1Ki/s}}}
";

/// Rights that a day in a test has no call for, and why they are there all the same.
const UNSEEN: [&str; 12] = [
    // Objects come at the beginning of a watch; a server that does not stream them so is asked for lists.
    "list entropool.io/entropypools",
    "list entropool.io/entropyclasses",
    "list namespaces",
    "list nodes",
    "list pods",
    "list storage.k8s.io/csidrivers",
    "list kubevirt.io/kubevirts",
    "list plugin.kubevirt.io/plugins",
    // Asked for within the patch that applies it for the first time, which is the call that is logged.
    "create configmaps",
    "create plugin.kubevirt.io/plugins",
    // The authority's successor, after a year.
    "update secrets entropool-ca",
    // An Event that comes again within minutes is counted in the one that is there.
    "patch events.k8s.io/events",
];

#[test]
fn no_call_is_refused_and_no_right_is_unused() {
    let api = cluster(&[]);
    add_kubevirt(&api);
    api.install_controller_policies().unwrap();
    let first = Controller::start(&api, "first").unwrap();
    api.install_webhooks(&first).unwrap();
    until(&api, "plugins.plugin.kubevirt.io", "kept", |all| {
        all["items"].as_array().is_some_and(|all| !all.is_empty())
    });
    until(&api, "mutatingwebhookconfiguration/entropool", "trusted", |hooks| {
        hooks["webhooks"][0]["clientConfig"]["caBundle"].is_string()
    });
    let agent = Agent::start(&api, first.agents, "n1").unwrap();
    apply(&api, OBJECTS);
    until_condition(&api, "eclass/gold", "Ready", "True AsPromised");
    until(&api, "node/n1", "offering places", |node| {
        node["status"]["capacity"]["entropool.io/gold"] == "16"
            && node["metadata"]["labels"]["entropool.io/agent"] == "ready"
    });
    apply(&api, &OBJECTS.replace("16Ki/s", "64Ki/s"));
    until_condition(&api, "eclass/gold", "Accepted", "False RateOverParent");
    until(&api, "events", "told of", |events| {
        events["items"].as_array().unwrap().iter().any(|event| event["reason"] == "RateOverParent")
    });
    drop(agent);
    first.stop().unwrap();
    Controller::start(&api, "second").unwrap().stop().unwrap();

    let calls = api.calls().unwrap();
    let own: Vec<_> = calls.iter().filter(|call| call.user == ACCOUNT).collect();
    let refused: Vec<_> = own.iter().filter(|call| !call.allowed || call.code == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let role = |words: &[&str]| -> Value { serde_json::from_str(&api.said(words).unwrap()).unwrap() };
    let roles = [
        role(&["get", "clusterrole", "entropool-controller", "--output=json"]),
        role(&["get", "role", "entropool-controller", "--namespace", NAMESPACE, "--output=json"]),
    ];
    let unused: BTreeSet<_> = roles.iter().flat_map(|role| unused(role, &own)).collect();
    let unexpected: Vec<_> = unused.iter().filter(|right| !UNSEEN.contains(&right.as_str())).collect();
    assert!(unexpected.is_empty(), "nothing needs {unexpected:?}");
    let strangers: Vec<_> = calls.iter().filter(|call| call.user.contains("entropool-agent")).collect();
    assert!(strangers.is_empty(), "an agent called the API server: {strangers:#?}");
}

/// The rights of a role that no call was let in by, as `verb group/resource [name]`.
fn unused(role: &Value, calls: &[&Call]) -> Vec<String> {
    let mut unused = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = texts(&rule["resourceNames"]);
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let met = |call: &&&Call| {
                        call.allowed
                            && (call.group.as_str(), call.resource.as_str(), call.verb.as_str())
                                == (group, resource, verb)
                            && (names.is_empty() || names.contains(&call.name.as_str()))
                    };
                    if calls.iter().find(met).is_none() {
                        let group = if group.is_empty() { String::new() } else { format!("{group}/") };
                        unused.push(
                            format!("{verb} {group}{resource} {}", names.join(" ")).trim_end().to_owned(),
                        );
                    }
                }
            }
        }
    }
    unused
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}
