//! The answers to requests for pods, instances and virtual machines, as the API server receives them.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, OnSourceFailure,
    Output, PoolConfig, Shape,
};
use entropool_webhook::{
    AdmissionDecision, ClassSlot, Cluster, Hook, InjectionMethod, PoolIndex, ReviewError, answer, plugin,
};
use serde_json::{Value, json};

const SHAPE: Shape = Shape { rate: BytesPerDay(1), ceil: BytesPerDay(1), burst: 1, cburst: 1 };

fn class(name: &str, max_vms: Option<u32>, namespaces: Namespaces) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: None,
        shape: SHAPE,
        prio: 4,
        weight: 100,
        per_vm: SHAPE,
        max_connections: ClassConfig::DEFAULT_MAX_CONNECTIONS,
        per_namespace: NamespaceBound::default(),
        max_vms,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
        allow_degraded: false,
        namespaces,
    }
}

fn pool(name: &str, default_class: &str, classes: Vec<ClassConfig>, namespaces: Namespaces) -> PoolConfig {
    PoolConfig {
        name: name.to_owned(),
        sources: Vec::new(),
        output: Output::Stretched,
        min_healthy_sources: 1,
        on_source_failure: OnSourceFailure::Hold,
        shape: SHAPE,
        default_class: default_class.to_owned(),
        classes,
        namespaces,
    }
}

fn only(namespace: &str) -> Namespaces {
    Namespaces::Only([namespace.to_owned()].into())
}

fn pool_index() -> PoolIndex {
    let proportional =
        ClassConfig { admission: Admission::Proportional, ..class("loose", Some(9), Namespaces::All) };
    let classes = vec![
        class("gold", Some(2), Namespaces::All),
        class("lab", Some(2), only("lab")),
        proportional,
        class("shared", None, Namespaces::All),
    ];
    let implicit = vec![class(ClassConfig::IMPLICIT, None, Namespaces::All)];
    let one = NodeConfig {
        pools: vec![pool("default", "shared", classes, Namespaces::All)],
        ..NodeConfig::default()
    };
    let two = NodeConfig {
        pools: vec![
            pool("plain", ClassConfig::IMPLICIT, implicit.clone(), Namespaces::All),
            pool("secret", ClassConfig::IMPLICIT, implicit, only("lab")),
        ],
        ..NodeConfig::default()
    };
    PoolIndex::of([&one, &two])
}

fn decide(
    hook: Hook,
    body: &[u8],
    injection: &InjectionMethod,
) -> Result<(Value, AdmissionDecision), ReviewError> {
    let full =
        |slot: &ClassSlot, node: Option<&str>| slot.class.as_deref() == Some("gold") && node != Some("roomy");
    answer(hook, body, &Cluster { pools: &pool_index(), injection, full: &full })
}

fn sidecar() -> InjectionMethod {
    InjectionMethod::Sidecar {
        image: "registry.example/entropool-agent:1".to_owned(),
        resources: Value::Null,
    }
}

fn annotated(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A launcher pod as virt-controller creates it, without the fields that no hook reads.
fn launcher(annotations: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "virt-launcher-web-",
            "labels": {"kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "web"},
            "annotations": annotated(annotations),
        },
        "spec": {
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "node-labeller.kubevirt.io/obsolete-host-model", "operator": "DoesNotExist"}]}
            ]}}},
            "containers": [
                {"name": "compute", "resources": {"requests": {"cpu": "50m"}}, "volumeMounts": [{"name": "private", "mountPath": "/var/run/kubevirt-private"}]},
                {"name": "guest-console-log"}
            ],
            "volumes": [{"name": "private", "emptyDir": {}}],
        },
    })
}

fn instance(annotations: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
        "metadata": {"name": "web", "annotations": annotated(annotations)},
        "spec": {"domain": {"devices": {"disks": []}}},
    })
}

fn machine(template: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "metadata": {"name": "web"},
        "spec": {"template": {"metadata": {"annotations": annotated(template)}, "spec": {"domain": {"devices": {}}}}},
    })
}

fn review(namespace: &str, object: &Value, old: Option<&Value>) -> Vec<u8> {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let request = json!({"uid": "u-1", "namespace": namespace, "operation": operation, "object": object, "oldObject": old});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string()
        .into()
}

fn respond(hook: Hook, namespace: &str, object: &Value, injection: &InjectionMethod) -> Value {
    let (answer, _) = decide(hook, &review(namespace, object, None), injection).unwrap();
    assert_eq!(answer["response"]["uid"], "u-1");
    answer["response"].clone()
}

fn patch(response: &Value) -> Value {
    response["patch"].as_str().map_or(json!([]), |patch| {
        assert_eq!(response["patchType"], "JSONPatch");
        serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap()
    })
}

fn patched(hook: Hook, namespace: &str, object: &Value, injection: &InjectionMethod) -> Value {
    let response = respond(hook, namespace, object, injection);
    assert_eq!(response["allowed"], true, "{response}");
    let mut object = object.clone();
    let patch: json_patch::Patch = serde_json::from_value(patch(&response)).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn shown(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

const GOLD: [(&str, &str); 2] = [("entropool.io/pool", "default"), ("entropool.io/class", "gold")];
const PLAIN: [(&str, &str); 1] = [("entropool.io/pool", "plain")];

#[test]
fn a_launcher_pod_gets_its_socket_a_slot_and_a_node_with_an_agent() {
    let response = respond(Hook::Pod, "shop", &launcher(&GOLD), &InjectionMethod::Plugin);
    insta::assert_snapshot!(shown(&patch(&response)));
    assert_eq!(
        response["warnings"],
        json!(["class gold of pool default has no free slot on any node; the VM waits until there is one"])
    );
}

#[test]
fn a_vm_of_a_full_class_is_allowed_with_a_warning() {
    for (named, warnings) in [(&GOLD[..], 1), (&PLAIN[..], 0)] {
        let response = respond(Hook::Validate, "shop", &machine(named), &InjectionMethod::Plugin);
        assert_eq!(response["warnings"].as_array().map_or(0, Vec::len), warnings, "{response}");
    }
}

#[test]
fn the_hooks_change_nothing_the_second_time() {
    for injection in [InjectionMethod::Plugin, sidecar()] {
        let instance = patched(Hook::Instance, "shop", &instance(&GOLD), &injection);
        assert_eq!(patch(&respond(Hook::Instance, "shop", &instance, &injection)), json!([]));
        let mut pod = launcher(&[]);
        pod["metadata"]["annotations"] = instance["metadata"]["annotations"].clone();
        let pod = patched(Hook::Pod, "shop", &pod, &injection);
        assert_eq!(patch(&respond(Hook::Pod, "shop", &pod, &injection)), json!([]));
    }
}

#[test]
fn the_default_class_is_used_if_none_is_named_and_a_class_without_a_bound_has_no_slots() {
    let pod =
        patched(Hook::Pod, "shop", &launcher(&[("entropool.io/pool", "default")]), &InjectionMethod::Plugin);
    let attributes = |pod: &Value| pod["spec"]["volumes"][1]["csi"]["volumeAttributes"].clone();
    assert_eq!(attributes(&pod)["entropool.io/class"], "shared");
    assert_eq!(pod["spec"]["containers"][0]["resources"], json!({"requests": {"cpu": "50m"}}));
    let pod = patched(Hook::Pod, "shop", &launcher(&PLAIN), &InjectionMethod::Plugin);
    assert_eq!(attributes(&pod), json!({"entropool.io/pool": "plain", "client": "qemu"}));
    let loose = [("entropool.io/pool", "default"), ("entropool.io/class", "loose")];
    let pod = patched(Hook::Pod, "shop", &launcher(&loose), &InjectionMethod::Plugin);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], Value::Null);
}

#[test]
fn missing_lists_of_a_pod_are_created() {
    let mut pod = launcher(&GOLD);
    pod["spec"] = json!({"containers": [{"name": "other"}, {"name": "compute"}]});
    let pod = patched(Hook::Pod, "shop", &pod, &InjectionMethod::Plugin);
    assert_eq!(pod["spec"]["containers"][1]["volumeMounts"][0]["mountPath"], "/run/entropool");
    assert_eq!(pod["spec"]["containers"][1]["resources"]["limits"], json!({"entropool.io/gold": "1"}));
    assert_eq!(pod["spec"]["containers"][0], json!({"name": "other"}));
    let mut two = launcher(&GOLD);
    let terms =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    *two.pointer_mut(terms).unwrap() = json!([{"matchFields": []}, {"matchExpressions": []}]);
    let two = patched(Hook::Pod, "shop", &two, &InjectionMethod::Plugin);
    for term in two.pointer(terms).unwrap().as_array().unwrap() {
        assert_eq!(
            term["matchExpressions"][0]["key"], "entropool.io/agent",
            "a node need match only one term"
        );
    }
}

#[test]
fn objects_without_a_pool_are_not_changed() {
    let mut provisioning = launcher(&GOLD);
    provisioning["metadata"]["annotations"]["kubevirt.io/ephemeral-provisioning"] = json!("true");
    let mut hotplug = launcher(&GOLD);
    hotplug["metadata"]["labels"]["kubevirt.io"] = json!("hotplug-disk");
    for (hook, object) in [
        (Hook::Pod, launcher(&[])),
        (Hook::Pod, provisioning),
        (Hook::Pod, hotplug),
        (Hook::Instance, instance(&[])),
        (Hook::Validate, machine(&[])),
        (Hook::Validate, instance(&[])),
    ] {
        for injection in [InjectionMethod::Plugin, sidecar(), InjectionMethod::None("no".to_owned())] {
            let response = respond(hook, "shop", &object, &injection);
            assert_eq!(response, json!({"uid": "u-1", "allowed": true}), "{object}");
        }
    }
}

/// A pod with a volume of ours that has these attributes, without the fields that no hook reads.
fn plain(attributes: &[(&str, &str)]) -> Value {
    let csi = |attributes: &[(&str, &str)]| json!({"driver": "csi.entropool.io", "readOnly": true, "volumeAttributes": annotated(attributes)});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader"},
        "spec": {
            "containers": [{"name": "one", "resources": {"requests": {"cpu": "50m"}}}, {"name": "two"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "entropy", "csi": csi(attributes)}],
        },
    })
}

#[test]
fn any_pod_with_a_volume_asks_for_a_slot_and_is_labelled() {
    let none = InjectionMethod::None("there is no KubeVirt".to_owned());
    let pod = patched(Hook::Pod, "shop", &plain(&GOLD), &none);
    let resources =
        json!({"requests": {"cpu": "50m", "entropool.io/gold": "1"}, "limits": {"entropool.io/gold": "1"}});
    assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
    assert_eq!(pod["spec"]["containers"][1], json!({"name": "two"}));
    assert_eq!(pod["spec"]["volumes"], plain(&GOLD)["spec"]["volumes"]);
    assert_eq!(pod["metadata"]["labels"], json!({"entropool.io/vm": "true"}));
    let bound = r#"{"class":"gold","pool":"default"}"#;
    assert_eq!(pod["metadata"]["annotations"], json!({"entropool.io/bound": bound}));
    assert_eq!(patch(&respond(Hook::Pod, "shop", &pod, &none)), json!([]), "the second time");

    // What its author claims is replaced, also that it asks for a slot.
    let mut claims = plain(&GOLD);
    claims["metadata"]["labels"] = json!({"entropool.io/vm": "no", "app": "a"});
    claims["metadata"]["annotations"] = json!({"entropool.io/bound": "{}"});
    claims["spec"]["containers"][1]["resources"] =
        json!({"limits": {"entropool.io/gold": "0"}, "requests": {"entropool.io/gold": "0"}});
    let pod = patched(Hook::Pod, "shop", &claims, &none);
    assert_eq!(pod["metadata"]["labels"], json!({"entropool.io/vm": "true", "app": "a"}));
    assert_eq!(pod["metadata"]["annotations"]["entropool.io/bound"], bound);
    assert_eq!(pod["spec"]["containers"][0]["resources"], resources);
    claims["spec"]["containers"][1]["resources"] =
        json!({"limits": {"entropool.io/gold": "2"}, "requests": {"entropool.io/gold": "2"}});
    let pod = patched(Hook::Pod, "shop", &claims, &none);
    assert_eq!(pod["spec"]["containers"][0], claims["spec"]["containers"][0], "the other container asks");
}

#[test]
fn a_pod_that_names_no_class_gets_the_default_one_and_one_without_a_bound_asks_for_nothing() {
    let plugin = InjectionMethod::Plugin;
    for (attributes, class) in [(&GOLD[..1], json!("shared")), (&PLAIN[..], Value::Null)] {
        let pod = patched(Hook::Pod, "shop", &plain(attributes), &plugin);
        assert_eq!(pod["spec"]["volumes"][1]["csi"]["volumeAttributes"]["entropool.io/class"], class);
        assert_eq!(pod["spec"]["containers"], plain(attributes)["spec"]["containers"]);
        assert_eq!(pod["metadata"]["labels"]["entropool.io/vm"], "true");
    }
    // A pod that only looks like a VM's, so that its annotations are not read, is one like any other.
    let mut provisioning = plain(&GOLD);
    provisioning["metadata"]["labels"] = json!({"kubevirt.io": "virt-launcher"});
    provisioning["metadata"]["annotations"] =
        json!({"entropool.io/pool": "plain", "kubevirt.io/ephemeral-provisioning": "true"});
    let pod = patched(Hook::Pod, "shop", &provisioning, &plugin);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], json!({"entropool.io/gold": "1"}));
}

#[test]
fn an_instance_gets_its_device_and_its_sidecar_if_needed() {
    insta::assert_snapshot!(
        "instance_by_plugin",
        shown(&patch(&respond(Hook::Instance, "shop", &instance(&GOLD), &InjectionMethod::Plugin)))
    );
    insta::assert_snapshot!(
        "instance_by_sidecar",
        shown(&patch(&respond(Hook::Instance, "shop", &instance(&GOLD), &sidecar())))
    );
    let mut others = instance(&GOLD);
    others["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"] = json!(r#"[{"image":"other:1"}]"#);
    others["spec"]["domain"]["devices"]["rng"] = json!({});
    let with = patched(Hook::Instance, "shop", &others, &sidecar());
    let sidecars =
        with["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"].as_str().unwrap().to_owned();
    let sidecars: Value = serde_json::from_str(&sidecars).unwrap();
    assert_eq!(sidecars[0], json!({"image": "other:1"}), "the sidecar of another program stays");
    assert_eq!(sidecars.as_array().unwrap().len(), 2);
    others["spec"]["domain"] = json!({});
    let with = patched(Hook::Instance, "shop", &others, &InjectionMethod::Plugin);
    assert_eq!(with["spec"]["domain"]["devices"], json!({"rng": {}}));
}

#[test]
fn a_vm_migrates_with_the_sidecar_that_it_was_created_with() {
    let instance = patched(Hook::Instance, "shop", &instance(&GOLD), &sidecar());
    let newer = InjectionMethod::Sidecar {
        image: "registry.example/entropool-agent:2".to_owned(),
        resources: Value::Null,
    };
    assert_eq!(patch(&respond(Hook::Instance, "shop", &instance, &newer)), json!([]));
    let mut target = launcher(&[]);
    target["metadata"]["annotations"] = instance["metadata"]["annotations"].clone();
    target["spec"]["containers"].as_array_mut().unwrap().push(hook("registry.example/entropool-agent:1"));
    let target = patched(Hook::Pod, "shop", &target, &newer);
    assert_eq!(target["metadata"]["labels"]["entropool.io/vm"], "true");
    // The old image may be gone by now, also from the node.
    assert_eq!(target["spec"]["containers"][2]["image"], "registry.example/entropool-agent:2");
}

/// A sidecar's container, as virt-controller makes it of the annotation.
fn hook(image: &str) -> Value {
    json!({"name": "hook-sidecar-0", "image": image, "command": ["/entropool-hook"], "resources": {}})
}

#[test]
fn a_sidecar_has_requests_and_limits_so_that_a_quota_accepts_it() {
    let resources =
        json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}});
    let method = sidecar().with_resources(&resources);
    let instance = patched(Hook::Instance, "shop", &instance(&GOLD), &method);
    let mut pod = launcher(&[]);
    pod["metadata"]["annotations"] = instance["metadata"]["annotations"].clone();
    let image = "registry.example/entropool-agent:1";
    let foreign = json!({"name": "hook-sidecar-1", "image": "other:1", "command": ["/other"]});
    let mut dedicated = hook(image);
    let own = json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "200m"}});
    dedicated["resources"] = own.clone();
    let more = [hook(image), foreign.clone(), dedicated];
    pod["spec"]["containers"].as_array_mut().unwrap().extend(more);
    let with = patched(Hook::Pod, "shop", &pod, &method);
    let containers = &with["spec"]["containers"];
    assert_eq!(containers[2]["resources"], resources);
    assert_eq!(containers[3], foreign);
    let both =
        json!({"requests": {"cpu": "200m", "memory": "16Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}});
    assert_eq!(containers[4]["resources"], both);
    // A second call finds nothing to do.
    assert_eq!(patch(&respond(Hook::Pod, "shop", &with, &method)), json!([]));
    // A plugin has no sidecar to care for.
    let with = patched(Hook::Pod, "shop", &pod, &InjectionMethod::Plugin.with_resources(&resources));
    assert_eq!(with["spec"]["containers"][2]["resources"], json!({}));
}

#[test]
fn each_denial_has_its_message() {
    let named = |pool: &'static str, class: &'static str| {
        vec![("entropool.io/pool", pool), ("entropool.io/class", class)]
    };
    let none =
        InjectionMethod::of(Some(&json!({"status": {"observedKubeVirtVersion": "v1.6.0"}})), Some("i"));
    let mut taken = launcher(&GOLD);
    taken["spec"]["volumes"][0]["name"] = json!("entropool");
    let mut mounted = launcher(&GOLD);
    mounted["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = json!("/run/entropool");
    let mut bare = launcher(&GOLD);
    bare["spec"]["containers"] = json!([]);
    let mut unreadable = instance(&GOLD);
    unreadable["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"] = json!("{");
    let mut twice = plain(&GOLD);
    let volume = twice["spec"]["volumes"][1].clone();
    twice["spec"]["volumes"][0] = volume.clone();
    let mut beside = launcher(&GOLD);
    beside["spec"]["volumes"][0] = volume;
    let refused = [
        (Hook::Validate, "shop", machine(&named("nowhere", "gold")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&named("default", "golden")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&named("plain", "(default)")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&named("default", "lab")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&[("entropool.io/pool", "secret")]), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&named("", "gold")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&named("default", "")), &InjectionMethod::Plugin),
        (Hook::Validate, "shop", machine(&GOLD), &none),
        (Hook::Instance, "shop", instance(&GOLD), &none),
        (Hook::Instance, "shop", unreadable, &sidecar()),
        (Hook::Pod, "shop", launcher(&named("nowhere", "gold")), &InjectionMethod::Plugin),
        (Hook::Pod, "shop", launcher(&GOLD), &none),
        (Hook::Pod, "shop", launcher(&GOLD), &sidecar()),
        (Hook::Pod, "shop", taken, &InjectionMethod::Plugin),
        (Hook::Pod, "shop", mounted, &InjectionMethod::Plugin),
        (Hook::Pod, "shop", bare, &InjectionMethod::Plugin),
        (Hook::Pod, "shop", beside, &InjectionMethod::Plugin),
        (Hook::Pod, "shop", twice, &InjectionMethod::Plugin),
        (Hook::Pod, "shop", plain(&[]), &InjectionMethod::Plugin),
        (Hook::Pod, "shop", plain(&named("nowhere", "gold")), &InjectionMethod::Plugin),
        (Hook::Pod, "shop", plain(&named("default", "lab")), &InjectionMethod::Plugin),
    ];
    let messages: Vec<String> = refused
        .iter()
        .map(|(hook, namespace, object, injection)| {
            let response = respond(*hook, namespace, object, injection);
            assert_eq!(
                (&response["allowed"], &response["patch"]),
                (&json!(false), &Value::Null),
                "{response}"
            );
            let status = &response["status"];
            format!(
                "{} {}: {}",
                status["code"],
                status["reason"].as_str().unwrap(),
                status["message"].as_str().unwrap()
            )
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_vm_whose_pool_was_deleted_can_still_be_edited_and_deleted() {
    let gone = machine(&[("entropool.io/pool", "gone")]);
    let decide = |object: &Value, old: &Value| {
        let (_, decision) =
            decide(Hook::Validate, &review("shop", object, Some(old)), &InjectionMethod::Plugin).unwrap();
        matches!(decision, AdmissionDecision::Allowed { .. })
    };
    let mut edited = gone.clone();
    edited["spec"]["runStrategy"] = json!("Halted");
    assert!(decide(&edited, &gone), "the pool was named before");
    assert!(!decide(&gone, &machine(&GOLD)), "a new name must exist");
    edited["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(decide(&edited, &machine(&GOLD)), "the finalizers of a deleted object can be removed");
}

#[test]
fn an_annotation_in_the_wrong_place_gets_a_warning() {
    let mut misplaced = machine(&[]);
    misplaced["metadata"]["annotations"] = annotated(&GOLD);
    let response = respond(Hook::Validate, "shop", &misplaced, &InjectionMethod::Plugin);
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.contains("spec.template.metadata.annotations"), "{warning}");
}

/// A launcher pod that runs on a node, after `edit` and before it.
fn running(on: &str, edit: &[(&str, &str)]) -> (Value, Value) {
    let before = [("entropool.io/pool", "default"), ("entropool.io/class", "shared")];
    let mut pod = patched(Hook::Pod, "shop", &launcher(&before), &InjectionMethod::Plugin);
    pod["spec"]["nodeName"] = json!(on);
    let mut edited = pod.clone();
    for (key, value) in edit {
        edited["metadata"]["annotations"][*key] = json!(value);
    }
    (edited, pod)
}

#[test]
fn another_class_on_a_running_vms_pod_is_reviewed_and_the_bound_annotation_follows() {
    let decide = |on: &str, edit: &[(&str, &str)]| {
        let (edited, before) = running(on, edit);
        edit_pod(&edited, &before)
    };
    let moved = decide("roomy", &[("entropool.io/class", "gold")]);
    let bound = r#"{"class":"gold","injection":"plugin","pool":"default"}"#;
    assert_eq!(
        patch(&moved),
        json!([{"op": "add", "path": "/metadata/annotations/entropool.io~1bound", "value": bound}])
    );
    assert_eq!(decide("roomy", &[("other", "1")]), json!({"uid": "u-1", "allowed": true}));
    for (on, key, value, reason) in [
        ("crowded", "entropool.io/class", "gold", "ClassFull"),
        ("roomy", "entropool.io/class", "golden", "UnknownClass"),
        ("roomy", "entropool.io/class", "lab", "NamespaceNotAllowed"),
        ("roomy", "entropool.io/class", "", "EmptyAnnotation"),
        ("roomy", "entropool.io/pool", "plain", "AnotherPool"),
    ] {
        let refused = decide(on, &[(key, value)]);
        assert_eq!((&refused["allowed"], &refused["status"]["reason"]), (&json!(false), &json!(reason)));
    }
    let (mut deleted, before) = running("roomy", &[("entropool.io/class", "golden")]);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(edit_pod(&deleted, &before)["allowed"], true, "a deleted pod is not reviewed");
}

fn edit_pod(edited: &Value, before: &Value) -> Value {
    let (answer, _) =
        decide(Hook::Pod, &review("shop", edited, Some(before)), &InjectionMethod::Plugin).unwrap();
    answer["response"].clone()
}

#[test]
fn the_injection_method_follows_from_version_and_gates() {
    let kubevirt = |version: &str, gates: &[&str]| {
        json!({
            "spec": {"configuration": {"developerConfiguration": {"featureGates": gates}}},
            "status": {"observedKubeVirtVersion": version},
        })
    };
    let table: Vec<String> = [
        ("v1.6.0", &["Sidecar"][..]),
        ("v1.6.0", &[]),
        ("v1.6.0", &["Plugins"]),
        ("v1.8.4", &["Sidecar", "Plugins"]),
        ("v1.9.0", &["Plugins"]),
        ("v1.9.0", &["Sidecar", "Plugins"]),
        ("v1.9.0", &["Sidecar"]),
        ("v1.10.0-rc.1", &["Plugins"]),
        ("v2.0.0", &["Plugins"]),
        ("devel", &["Sidecar"]),
    ]
    .into_iter()
    .map(|(version, gates)| {
        format!(
            "{version} {gates:?}: {:?}",
            InjectionMethod::of(Some(&kubevirt(version, gates)), Some("hook:1"))
        )
    })
    .chain([
        format!("no KubeVirt: {:?}", InjectionMethod::of(None, Some("hook:1"))),
        format!("no status: {:?}", InjectionMethod::of(Some(&json!({})), Some("hook:1"))),
        format!("no image: {:?}", InjectionMethod::of(Some(&kubevirt("v1.6.0", &["Sidecar"])), None)),
    ])
    .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_plugin_object() {
    insta::assert_snapshot!("plugin", shown(&plugin()));
}

#[test]
fn a_body_that_is_not_a_review_is_not_answered() {
    for body in ["", "{}", "[]", "{\"request\": null}", "{\"request\": 3}", "\u{0}"] {
        assert!(decide(Hook::Pod, body.as_bytes(), &InjectionMethod::Plugin).is_err(), "{body:?}");
    }
}
