//! The slots of a class on a node: what counts is what a pod has asked the scheduler for, which its author cannot change.

use serde_json::Value;

use crate::kubectl::{apply, class, pool, until};
use crate::scenario::Scenario;

const AUTHORS: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}}";

/// A pod on n1 as its author writes it, with the label that only the webhook should write.
fn labelled(name: &str, resources: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{entropool.io/vm: \"true\"}}}}, spec: {{nodeName: n1, \
         automountServiceAccountToken: false, containers: [{{name: a, image: none, resources: {resources}}}]}}}}"
    )
}

#[test]
fn a_label_that_an_author_wrote_takes_no_slot_and_a_request_takes_one() {
    let scene = Scenario::set(&["only"]);
    let api = &scene.api;
    apply(api, AUTHORS);
    apply(api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s, perVM: {rate: 1Ki/s}")));
    scene.all_run("gold", "8Ki/s");
    let slots = |count: &str| {
        let count = Value::from(count);
        until(api, "node/n1", "as many slots", |it| it["status"]["capacity"]["entropool.io/gold"] == count);
    };
    slots("8");
    let attach = |name: &str, resources: &str| {
        apply(api, &labelled(name, resources));
        let uid = api.said(["get", "pod", name, "-o", "jsonpath={.metadata.uid}"]).unwrap();
        scene.attach(&uid, "gold").unwrap();
    };
    let asks = "{requests: {entropool.io/gold: 1}, limits: {entropool.io/gold: 1}}";
    // A slot that no request has taken is taken from those that the scheduler may still give away.
    attach("only-labelled", "{}");
    slots("7");
    attach("asks", asks);
    attach("also-only-labelled", "{}");
    slots("6");
    attach("asks-for-another", "{requests: {entropool.io/silver: 1}, limits: {entropool.io/silver: 1}}");
    slots("5");
    // An annotation changes the class that a VM is moved to, and no count.
    api.said(["annotate", "pod", "only-labelled", "entropool.io/bound={}"]).unwrap();
    api.said(["delete", "pod", "asks", "--force", "--grace-period=0"]).unwrap();
    slots("4");
}
