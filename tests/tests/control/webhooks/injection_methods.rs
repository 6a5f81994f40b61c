//! By which way a domain is changed, as the `KubeVirt` object says.

use std::time::Duration;

use entropool_tests::cluster::{CONTROLLER_USER, Call};
use serde_json::{Value, json};

use super::objects::{dry, instance, launcher};
use super::{Stage, install};
use crate::kubectl::{get, until};

const NAMED: [(&str, &str); 1] = [("entropool.io/pool", "default")];

#[test]
fn from_1_9_on_the_controller_keeps_a_plugin_and_no_vm_has_a_sidecar() {
    let stage = Stage::with("v1.9.0", "Plugins");
    let api = stage.api;
    install(api, "plugin.yaml");
    let exists = || api.kubectl(["get", "plugin", "entropool"]).output().unwrap().status.success();
    let appears = || (0..300).any(|_| exists() || pause());
    assert!(appears());
    let plugin = get(api, "plugin/entropool");
    assert_eq!(plugin["spec"]["domainHooks"][0]["condition"], "'entropool.io/pool' in vmi.Annotations");
    assert_eq!(plugin["metadata"]["ownerReferences"][0]["kind"], "MutatingWebhookConfiguration");

    // Also where somebody deletes it or edits it.
    api.said(["delete", "plugin", "entropool"]).unwrap();
    assert!(appears());
    let edit = r#"{"spec": {"failureStrategy": "Ignore"}}"#;
    api.said(["patch", "plugin", "entropool", "--type=merge", "-p", edit]).unwrap();
    until(api, "plugin/entropool", "mended", |plugin| plugin["spec"]["failureStrategy"] == "Fail");

    // A kind that has just come is looked for every five seconds.
    let admitted = || dry(api, &instance("web", &NAMED)).ok().or_else(|| pause().then_some(Value::Null));
    let vmi = (0..300).find_map(|_| admitted()).unwrap();
    assert_eq!(vmi["metadata"]["annotations"], json!({"entropool.io/pool": "default"}));
    let pod = dry(api, &launcher("web", &vmi["metadata"]["annotations"])).unwrap();
    let bound: Value =
        serde_json::from_str(pod["metadata"]["annotations"]["entropool.io/bound"].as_str().unwrap()).unwrap();
    assert_eq!(bound["injection"], "plugin");

    let calls = api.calls().unwrap();
    let refused: Vec<_> = calls.iter().filter(|call| call.user == CONTROLLER_USER && !call.allowed).collect();
    assert_eq!(refused, Vec::<&Call>::new(), "the shipped rights are too few");
}

fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(100));
    false
}
