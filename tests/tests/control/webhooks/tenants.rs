//! Pods with a volume of ours, as a tenant writes them: what they ask for, and what of theirs is ours to write.

use serde_json::{Value, json};

use super::Stage;
use super::objects::{dry, instance, launcher, make, refused};
use crate::kubectl::{apply, until_condition};

/// A pod of namespace shop that names class gold in its volume.
fn reader(name: &str, metadata: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "a", "image": "none", "volumeMounts": [{"name": "entropy", "mountPath": "/e"}]}],
            "volumes": [{"name": "entropy", "csi": {
                "driver": "csi.entropool.io", "readOnly": true,
                "volumeAttributes": {"entropool.io/pool": "default", "entropool.io/class": "gold"},
            }}],
        },
    });
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!("shop");
    pod
}

/// The same without a volume.
fn other(metadata: &Value) -> Value {
    let mut pod = reader("other", metadata);
    pod["spec"]["volumes"] = json!([]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([]);
    pod
}

const BOUND: &str = r#"{"class":"gold","pool":"default"}"#;

#[test]
fn a_plain_pod_asks_for_a_slot_and_a_quota_refuses_a_second() {
    let stage = Stage::set();
    let api = stage.api;
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: one, namespace: shop}, spec: {hard: \
                 {requests.entropool.io/gold: \"1\"}}}";
    apply(api, quota);
    // Nobody else counts here, where there is no controller manager.
    let status =
        r#"{"status":{"hard":{"requests.entropool.io/gold":"1"},"used":{"requests.entropool.io/gold":"0"}}}"#;
    let patch = ["patch", "quota", "one", "-n", "shop", "--subresource=status", "--type=merge", "-p", status];
    api.said(patch).unwrap();
    let pod = make(api, &reader("first", &json!({}))).unwrap();
    let resources = json!({"limits": {"entropool.io/gold": "1"}, "requests": {"entropool.io/gold": "1"}});
    assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
    assert_eq!(pod["metadata"]["labels"], json!({"entropool.io/vm": "true"}));
    assert_eq!(pod["metadata"]["annotations"]["entropool.io/bound"], BOUND);
    let second = refused(api, &reader("second", &json!({})));
    assert!(second.contains("exceeded quota: one, requested: requests.entropool.io/gold=1"), "{second}");
    // Who names nothing of ours is not asked.
    dry(api, &other(&json!({}))).unwrap();
    api.said(["delete", "pod", "first", "-n", "shop", "--force"]).unwrap();
    api.said(["delete", "quota", "one", "-n", "shop"]).unwrap();
}

#[test]
fn our_label_and_our_annotation_are_ours() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    api.install_pod_policy().unwrap();
    let claim = json!({"labels": {"entropool.io/vm": "true"}});
    let in_force = || dry(api, &other(&claim)).is_err();
    assert!((0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        in_force()
    }));
    for claim in [
        claim.clone(),
        json!({"labels": {"entropool.io/vm": "false"}}),
        json!({"annotations": {"entropool.io/bound": BOUND}}),
    ] {
        let said = refused(api, &other(&claim));
        assert!(
            said.contains("are set by entropool, on pods with a volume of driver csi.entropool.io"),
            "{said}"
        );
    }
    // On a pod that draws, what its author claims is replaced by what is so.
    let claims = json!({"labels": {"entropool.io/vm": "no"}, "annotations": {"entropool.io/bound": "{}"}});
    let pod = make(api, &reader("draws", &claims)).unwrap();
    assert_eq!(pod["metadata"]["labels"]["entropool.io/vm"], "true");
    assert_eq!(pod["metadata"]["annotations"]["entropool.io/bound"], BOUND);
    make(api, &other(&json!({}))).unwrap();

    let edit = |verb: &str, pod: &str, what: &[&str]| {
        let words = [verb, "--overwrite", "pod", pod, "-n", "shop"];
        let output = api.kubectl(words.iter().chain(what)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    for (verb, pod, what, sentence) in [
        ("label", "draws", "entropool.io/vm-", "and stays: leave it as it is"),
        ("label", "draws", "entropool.io/vm=false", "and stays: leave it as it is"),
        ("label", "other", "entropool.io/vm=true", "and stays: leave it as it is"),
        ("annotate", "draws", "entropool.io/bound-", "says what entropool has bound the pod to"),
        ("annotate", "draws", "entropool.io/bound={}", "says what entropool has bound the pod to"),
        ("annotate", "other", "entropool.io/bound={}", "says what entropool has bound the pod to"),
    ] {
        let said = edit(verb, pod, &[what]).unwrap_err();
        assert!(said.contains(sentence), "{verb} {pod} {what}: {said}");
    }
    edit("label", "draws", &["app=reader"]).unwrap();
    edit("annotate", "draws", &["example.org/a=b"]).unwrap();
    edit("annotate", "other", &["entropool.io/class=gold"]).unwrap();

    // A VM that is moved is bound to its new class, whatever its mover writes there.
    let silver = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: silver}, spec: {pool: default}}";
    apply(api, silver);
    until_condition(api, "eclass/silver", "Accepted", "True Accepted");
    let vmi = dry(api, &instance("bound", &[("entropool.io/pool", "default")])).unwrap();
    make(api, &launcher("bound", &vmi["metadata"]["annotations"])).unwrap();
    let bound = r#"entropool.io/bound={"class":"silver","injection":"plugin","pool":"lab"}"#;
    edit("annotate", "virt-launcher-bound", &["entropool.io/class=silver", bound]).unwrap();
    let expected = r#"{"class":"silver","injection":"sidecar","pool":"default"}"#;
    let bound = r"jsonpath={.metadata.annotations.entropool\.io/bound}";
    let bound = api.said(["get", "pod", "virt-launcher-bound", "-n", "shop", "-o", bound]).unwrap();
    assert_eq!(bound, expected);
    for pod in ["draws", "other", "virt-launcher-bound"] {
        api.said(["delete", "pod", pod, "-n", "shop", "--force"]).unwrap();
    }
    api.said(["delete", "eclass", "silver"]).unwrap();
    api.said(["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "entropool-pods"])
        .unwrap();
}
