//! What an installation rests on: a quota of a tenant's namespace, and the check that `helm test` makes.

use std::fs;

use entropool_tests::cluster::{Controller, NAMESPACE};
use serde_json::{Value, json};

use super::Stage;
use super::objects::{dry, instance, launcher};
use crate::kubectl::apply;

/// A namespace whose quota counts what containers request and may use.
const COUNTED: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: counted}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: counted}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all, namespace: counted}
spec: {hard: {requests.cpu: "4", requests.memory: 8Gi, limits.cpu: "4", limits.memory: 8Gi}}
"#;
/// What a controller of the cluster would write.
const FIGURES: &str = r#"--patch={"status": {
    "hard": {"requests.cpu": "4", "requests.memory": "8Gi", "limits.cpu": "4", "limits.memory": "8Gi"},
    "used": {"requests.cpu": "0", "requests.memory": "0", "limits.cpu": "0", "limits.memory": "0"}}}"#;

#[test]
fn a_namespace_with_a_quota_of_cpu_and_memory_starts_vms() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    apply(api, COUNTED);
    let patch = ["patch", "quota/all", "-n", "counted", "--subresource=status", "--type=merge", FIGURES];
    api.said(patch).unwrap();
    let vmi = dry(api, &instance("web", &[("entropool.io/pool", "default")])).unwrap();
    let annotations = &vmi["metadata"]["annotations"];
    let sidecars: Value =
        serde_json::from_str(annotations["hooks.kubevirt.io/hookSidecars"].as_str().unwrap()).unwrap();
    let mut pod = launcher("web", annotations);
    pod["metadata"]["namespace"] = json!("counted");
    let figures = json!({"cpu": "1", "memory": "1Gi"});
    pod["spec"]["containers"][0]["resources"] = json!({"requests": figures, "limits": figures});
    // As virt-controller makes it of the annotation.
    let (image, command) = (&sidecars[0]["image"], &sidecars[0]["command"]);
    let hook = json!({"name": "hook-sidecar-0", "image": image, "command": command});
    pod["spec"]["containers"].as_array_mut().unwrap().push(hook);
    let made = dry(api, &pod).unwrap();
    let resources = &made["spec"]["containers"][1]["resources"];
    assert_eq!(resources["requests"], json!({"cpu": "10m", "memory": "16Mi"}));
    assert_eq!(resources["limits"], json!({"cpu": "100m", "memory": "64Mi"}));

    // The quota is in force: a pod that names no pool, and so is no business of ours, is refused.
    let metadata = pod["metadata"].as_object_mut().unwrap();
    metadata.remove("annotations");
    let refused = dry(api, &pod).unwrap_err();
    assert!(refused.contains("must specify limits.cpu for: hook-sidecar-0"), "{refused}");
}

#[test]
fn the_service_check_sees_a_controller_that_answers_and_says_what_is_wrong_otherwise() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    let path = r"jsonpath={.data.ca\.crt}";
    let bundle = stage.api.said(["get", "configmap", "entropool-ca", "-n", NAMESPACE, "-o", path]).unwrap();
    fs::write(&file, bundle).unwrap();
    let check = |port: u16, file: &std::path::Path| {
        let (port, file) = (port.to_string(), file.display().to_string());
        let words = ["check-service", "--host", "127.0.0.1", "--port", &port, "--ca-file", &file];
        Controller::errand(stage.api, &words).map_err(|error| format!("{error:#}"))
    };
    let webhooks = stage.controller().webhooks;
    let log = check(webhooks.port(), &file).unwrap();
    assert!(log.contains("the controller answers"), "{log}");

    let refused = check(9, &file).unwrap_err();
    assert!(refused.contains("no controller answers at https://127.0.0.1:9"), "{refused}");
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let strange = directory.path().join("other.crt");
    fs::write(&strange, other.cert.pem()).unwrap();
    let refused = check(webhooks.port(), &strange).unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    let missing = directory.path().join("missing.crt");
    let refused = check(webhooks.port(), &missing).unwrap_err();
    assert!(refused.contains("failed to read the certificates in"), "{refused}");
}
