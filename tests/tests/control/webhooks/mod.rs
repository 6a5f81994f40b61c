//! VMs and launcher pods at an API server that asks the controller about them, with `KubeVirt`'s kinds and without
//! `KubeVirt`.

mod connection_limits;
mod injection_methods;
mod installed;
mod objects;
mod rate_limits;
mod rotation;
mod tenants;
mod unavailable;

use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use entropool_tests::cluster::{ApiServer, Controller, HOOK_IMAGE};
use serde_json::{Value, json};

use self::objects::{dry, instance, kubevirt, launcher, machine, make, refused};
use crate::kubectl::{apply, cluster, until_condition};

const POOLS: &str = r"
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {rate: 32Ki/s, defaultClass: gold}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: lab}, spec: {allowedNamespaces: {from: None}}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: gold}, spec: {pool: default, rate: 16Ki/s, maxVMs: 2}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
";

/// One API server for all of these tests, and one test at a time: which hooks there are, and which `KubeVirt`, holds for
/// a whole cluster.
struct Stage {
    api: &'static ApiServer,
    controller: Option<Controller>,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// With `KubeVirt`'s kinds, two pools, a class, and a controller that is asked.
    fn set() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static SERVER: LazyLock<ApiServer> = LazyLock::new(|| {
            let api = cluster(&["n1"]);
            install(&api, "kubevirt.yaml");
            apply(&api, POOLS);
            api
        });
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stage = Self { api: &SERVER, controller: None, _turn: turn };
        stage.start();
        until_condition(stage.api, "eclass/gold", "Accepted", "True Accepted");
        stage
    }

    /// The same, with a `KubeVirt` of that version and with that gate.
    fn with(version: &str, gate: &str) -> Self {
        let stage = Self::set();
        apply(stage.api, &kubevirt(version, gate));
        stage
    }

    /// Starts a controller. By the same name it has the Lease of one that was killed.
    fn start(&mut self) {
        let controller = Controller::start(self.api, "only").unwrap();
        self.api.install_webhooks(&controller).unwrap();
        self.controller = Some(controller);
    }

    fn controller(&self) -> &Controller {
        self.controller.as_ref().unwrap()
    }
}

/// Adds a `KubeVirt` that has plugins, as far as the API server knows of it.
pub(crate) fn add_kubevirt(api: &ApiServer) {
    install(api, "kubevirt.yaml");
    install(api, "plugin.yaml");
    apply(api, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    apply(api, &kubevirt("v1.9.0", "Plugins"));
}

fn install(api: &ApiServer, file: &str) {
    api.apply(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control/webhooks").join(file)).unwrap();
    api.until_established(&["crd", "--all"]).unwrap();
}

#[test]
fn a_vm_that_names_a_pool_gets_all_that_it_needs() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    dry(api, &machine("web", &json!({"annotations": {"entropool.io/pool": "default"}}))).unwrap();

    let vmi = dry(api, &instance("web", &[("entropool.io/pool", "default")])).unwrap();
    assert_eq!(vmi["spec"]["domain"]["devices"], json!({"rng": {}}));
    let sidecars = vmi["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"].as_str().unwrap();
    let sidecars: Value = serde_json::from_str(sidecars).unwrap();
    assert_eq!(
        (&sidecars[0]["image"], &sidecars[0]["command"][0]),
        (&json!(HOOK_IMAGE), &json!("/entropool-hook"))
    );

    let pod = dry(api, &launcher("web", &vmi["metadata"]["annotations"])).unwrap();
    assert_eq!(pod["metadata"]["labels"]["entropool.io/vm"], "true");
    assert_eq!(
        pod["metadata"]["annotations"]["entropool.io/bound"],
        r#"{"class":"gold","injection":"sidecar","pool":"default"}"#
    );
    let compute = &pod["spec"]["containers"][0];
    assert_eq!(compute["resources"]["requests"]["entropool.io/gold"], "1");
    assert_eq!(compute["volumeMounts"][0]["mountPath"], "/run/entropool");
    let volume = &pod["spec"]["volumes"][0];
    assert_eq!(volume["csi"]["driver"], "csi.entropool.io");
    let terms =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0";
    assert_eq!(pod.pointer(terms).unwrap()["matchExpressions"][0]["key"], "entropool.io/agent");
}

#[test]
fn a_vm_that_cannot_have_what_it_names_is_refused_with_a_sentence() {
    let stage = Stage::set();
    let api = stage.api;
    let named = |pool: &str, class: Option<&str>| {
        let mut annotations = json!({"entropool.io/pool": pool});
        if let Some(class) = class {
            annotations["entropool.io/class"] = json!(class);
        }
        machine("web", &json!({"annotations": annotations}))
    };
    api.said(["delete", "kubevirt", "--all", "-n", "shop"]).unwrap();
    assert!(refused(api, &named("default", None)).contains("there is no KubeVirt object"));
    apply(api, &kubevirt("v1.6.0", "Nothing"));
    let gate = refused(api, &named("default", None));
    assert!(gate.contains("needs the feature gate Sidecar") && gate.contains("featureGates"), "{gate}");
    apply(api, &kubevirt("v1.6.0", "Sidecar"));
    for (object, sentence) in [
        (
            named("nowhere", None),
            "there is no pool nowhere (annotation entropool.io/pool); namespace shop may use default",
        ),
        (
            named("default", Some("golden")),
            "pool default has no class golden (annotation entropool.io/class); namespace shop may use gold",
        ),
        (named("lab", None), "namespace shop may not use pool lab"),
        (instance("web", &[("entropool.io/pool", "")]), "annotation entropool.io/pool is empty"),
        (
            launcher("web", &json!({"entropool.io/pool": "default"})),
            "created without entropool's hook sidecar",
        ),
    ] {
        let said = refused(api, &object);
        assert!(said.contains(sentence), "{said}");
    }
    let (_, metrics) = stage.controller().get("/metrics").unwrap();
    let line = r#"entropool_controller_reviews_total{hook="validate",verdict="UnknownPool"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_pool_may_come_with_the_vm_that_names_it() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    dry(api, &machine("first", &json!({"annotations": {"entropool.io/pool": "default"}}))).unwrap();
    for round in 0..5 {
        let pool = format!("p{round}");
        let pool_object = format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: {pool}}}, spec: {{}}}}"
        );
        let vm = machine(&format!("of-{pool}"), &json!({"annotations": {"entropool.io/pool": pool}}));
        apply(api, &format!("{pool_object}\n---\n{vm}"));
    }
}

#[test]
fn another_class_on_a_running_vms_pod_is_refused_at_once_or_what_the_pod_is_bound_to() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    let silver = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: silver}, spec: {pool: default}}";
    apply(api, silver);
    until_condition(api, "eclass/silver", "Accepted", "True Accepted");
    let vmi = dry(api, &instance("moving", &[("entropool.io/pool", "default")])).unwrap();
    make(api, &launcher("moving", &vmi["metadata"]["annotations"])).unwrap();
    let annotate = |what: &str| {
        let words = ["annotate", "--overwrite", "pod", "virt-launcher-moving", "-n", "shop", what];
        let output = api.kubectl(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    for (what, sentence) in [
        ("entropool.io/class=golden", "pool default has no class golden"),
        ("entropool.io/pool=lab", "this VM uses pool default"),
    ] {
        let said = annotate(what).unwrap_err();
        assert!(said.contains(sentence), "{what}: {said}");
    }
    annotate("entropool.io/class=silver").unwrap();
    annotate("example.org/other=1").unwrap();
    let bound = r"jsonpath={.metadata.annotations.entropool\.io/bound}";
    let bound = api.said(["get", "pod", "virt-launcher-moving", "-n", "shop", "-o", bound]).unwrap();
    assert_eq!(bound, r#"{"class":"silver","injection":"sidecar","pool":"default"}"#);
    api.said(["delete", "pod", "virt-launcher-moving", "-n", "shop", "--force"]).unwrap();
    api.said(["delete", "eclass", "silver"]).unwrap();
}
