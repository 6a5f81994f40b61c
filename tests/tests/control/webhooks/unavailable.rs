//! The controller away: whom it keeps waiting, and whom not.

use serde_json::{Value, json};

use super::Stage;
use super::objects::{instance, launcher, machine, make, refused};

#[test]
fn what_names_no_pool_never_notices_that_the_controller_is_away() {
    let mut stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    let mut running = instance("running", &[("entropool.io/pool", "default")]);
    running["metadata"]["finalizers"] = json!(["kubevirt.io/foregroundDelete"]);
    make(api, &running).unwrap();
    stage.controller.take().unwrap().crash().unwrap();

    for (name, metadata) in [
        ("bare", Value::Null),
        ("empty", json!({})),
        ("nulls", json!({"annotations": null})),
        ("labelled", json!({"labels": {"app": "web"}, "annotations": {"other.io/pool": "default"}})),
    ] {
        make(api, &machine(name, &metadata)).unwrap();
    }
    let mut without = machine("without", &Value::Null);
    without["spec"] = json!({"runStrategy": "Halted"});
    make(api, &without).unwrap();
    make(api, &instance("plain", &[])).unwrap();
    make(api, &launcher("plain", &json!({"kubevirt.io/domain": "plain"}))).unwrap();
    let mut provisioning = launcher("provisioning", &json!({"entropool.io/pool": "default"}));
    provisioning["metadata"]["annotations"]["kubevirt.io/ephemeral-provisioning"] = json!("true");
    make(api, &provisioning).unwrap();

    for object in [
        machine("named", &json!({"annotations": {"entropool.io/pool": "default"}})),
        instance("named", &[("entropool.io/pool", "default")]),
        launcher("named", &json!({"entropool.io/pool": "default"})),
    ] {
        let said = refused(api, &object);
        assert!(said.contains("failed calling webhook"), "{said}");
    }

    // One that runs: what becomes of it is written, it can be deleted, and its class is no stranger's to change.
    let patch = |patch: &Value| {
        let words = ["patch", "vmi", "running", "-n", "shop", "--type=merge", "-p"];
        let patch = patch.to_string();
        api.kubectl(words.into_iter().chain([&*patch])).output().unwrap().status.success()
    };
    assert!(patch(&json!({"status": {"phase": "Running"}})));
    assert!(!patch(&json!({"metadata": {"annotations": {"entropool.io/class": "other"}}})));
    api.said(["delete", "vmi", "running", "-n", "shop", "--wait=false"]).unwrap();
    assert!(patch(&json!({"metadata": {"finalizers": null}})));

    stage.start();
    make(api, &machine("named", &json!({"annotations": {"entropool.io/pool": "default"}}))).unwrap();
}
