//! The chart at an API server: everything is taken, a second round changes nothing, and the kinds outlive the release.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use entropool_tests::cluster::{ApiServer, NAMESPACE, chart, helm, said};
use serde_json::{Value, json};

use super::{name, objects, render, sets, text};

/// Kinds of other projects that the chart may use, as far as an API server has to know them to take their objects.
const FOREIGN: [(&str, &str, &str, &str); 4] = [
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("cert-manager.io", "v1", "Certificate", "certificates"),
];

/// The server of all tests that change nothing on it, or only on the server's side.
fn server() -> &'static ApiServer {
    static SERVER: LazyLock<&ApiServer> = LazyLock::new(|| prepared(ApiServer::shared().unwrap()));
    &SERVER
}

/// The server, with those kinds and the namespace.
fn prepared(server: &ApiServer) -> &ApiServer {
    let mut all = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}\n");
    for (group, version, kind, plural) in FOREIGN {
        let _ = write!(
            all,
            "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {{name: {plural}.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n\
             \x20 names: {{kind: {kind}, plural: {plural}, singular: {}}}\n\
             \x20 versions:\n  - name: {version}\n    served: true\n    storage: true\n\
             \x20   schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n",
            kind.to_lowercase()
        );
    }
    apply(server, &["--server-side"], &all);
    let names: Vec<_> = FOREIGN.iter().map(|(group, .., plural)| format!("crd/{plural}.{group}")).collect();
    server.until_established(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    server
}

/// Helm with all rights on the server.
fn helm_there() -> Command {
    let mut command = helm().unwrap();
    command.arg("--kubeconfig").arg(server().kubeconfig()).args(["--namespace", NAMESPACE]);
    command
}

#[test]
fn every_set_of_values_would_be_taken() {
    let policy = ["--set", "networkPolicy.enabled=true"];
    let sets: Vec<_> = sets().iter().map(|set| format!("--values={}", set.display())).collect();
    let mut all: Vec<Vec<&str>> = sets.iter().map(|set| vec![set.as_str()]).collect();
    all.extend([vec![], policy.to_vec(), vec!["--set", "agent.privileged=true"]]);
    for values in all {
        let words = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
        let taken = server().feed(words, &text(&values).unwrap()).unwrap();
        let complaints = String::from_utf8_lossy(&taken.stderr);
        assert!(taken.status.success(), "{values:?}: {complaints}");
        assert!(!complaints.contains("Warning"), "{values:?}: {complaints}");
    }
}

/// What a tool that renders a set for a release of that name has to apply.
fn manifests(release: &str, set: &Path) -> String {
    let mut command = helm().unwrap();
    command.args(["template", release, "--kube-version=1.30.0", "--namespace", NAMESPACE]);
    // Each release has its own names, since one's immutable selectors are not another's.
    command.arg(format!("--set=fullnameOverride={release}")).arg("--values").arg(set).arg(chart());
    said(&mut command).unwrap()
}

/// Applies manifests, and returns what is said of each object.
fn apply(server: &ApiServer, words: &[&str], manifests: &str) -> Vec<String> {
    let applied = server.feed(["apply", "-f", "-"].iter().chain(words), manifests).unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    String::from_utf8(applied.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// With these words, kubectl says of each object which version of it there is then.
const VERSIONS: [&str; 2] =
    ["-o", "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}"];

/// `ArgoCD` and Flux apply on the server's side, again and again, each in its own name.
#[test]
fn a_second_round_on_the_servers_side_changes_nothing() {
    for set in sets() {
        let manifests = manifests(&name(&set), &set);
        let words = ["--server-side", "--force-conflicts", "--field-manager=argocd-controller"];
        let first = apply(server(), &[&words[..], &VERSIONS].concat(), &manifests);
        assert_eq!(first.len(), objects(&manifests).len());
        let second = apply(server(), &[&words[..], &VERSIONS].concat(), &manifests);
        let changed = changed(&first, &second);
        assert!(changed.is_empty(), "{}: {changed:?}", set.display());
        let diff = server().feed(["diff", "-f", "-"].iter().chain(&words), &manifests).unwrap();
        let found = [diff.stdout, diff.stderr].concat();
        assert!(diff.status.success(), "{}: {}", set.display(), String::from_utf8_lossy(&found));
    }
}

/// The objects that have another version now.
fn changed<'a>(first: &'a [String], second: &'a [String]) -> Vec<(&'a String, &'a String)> {
    let changed = first.iter().zip(second).filter(|(one, two)| one != two);
    // The server writes a kind's status once it serves it, which is no change of ours.
    changed.filter(|(one, _)| !one.starts_with("CustomResource")).collect()
}

/// As kubectl does without a flag, and as `ArgoCD` compares: what was applied, what is there and what is to be applied.
#[test]
fn a_second_round_on_the_clients_side_changes_nothing() {
    let set = sets().into_iter().find(|set| name(set) == "production").unwrap();
    let samples = ["quickstart", "two-tenants"]
        .map(|name| fs::read_to_string(chart().join(format!("../../deploy/samples/{name}.yaml"))).unwrap());
    let sources = "\
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: sources}, spec: {rate: 1Ki/s, sources: [
{name: device, device: {path: /dev/hwrng}}, {name: kernel, kernel: {}}]}}
";
    // A server of its own: what one applied on the client's side, another cannot apply on the server's.
    let server = ApiServer::start().unwrap();
    prepared(&server);
    // Of a disruption budget kubectl always says that it is configured, since its selector is replaced as a whole.
    let manifests = manifests("by-kubectl", &set);
    let first = apply(&server, &VERSIONS, &manifests);
    server.until_established(&["crd/entropypools.entropool.io", "crd/entropyclasses.entropool.io"]).unwrap();
    let second = apply(&server, &VERSIONS, &manifests);
    let changed = changed(&first, &second);
    assert!(changed.is_empty(), "{changed:?}");
    for manifests in [&samples[0], &samples[1], sources] {
        apply(&server, &[], manifests);
        let said = apply(&server, &[], manifests);
        let changed: Vec<_> = said.iter().filter(|line| !line.ends_with(" unchanged")).collect();
        assert!(changed.is_empty(), "{changed:?}");
    }
}

#[test]
fn rendered_manifests_have_no_hook_and_no_job() {
    let mut all = render(&[]);
    for set in sets() {
        all.extend(render(&["--values", set.to_str().unwrap()]));
    }
    for object in all {
        let kind = object["kind"].as_str().unwrap();
        assert!(!["Job", "Pod"].contains(&kind), "{object:#}");
        assert!(object["metadata"]["annotations"]["helm.sh/hook"].is_null(), "{object:#}");
    }
}

#[test]
fn helm_has_its_hooks_as_the_values_say() {
    let hooks = |values: &[&str]| -> Vec<Value> {
        let words = ["install", "entropool", "--dry-run=server", "--take-ownership", "--output=json"];
        let said = said(helm_there().args(words).arg(chart()).args(values)).unwrap();
        let release: Value = serde_json::from_str(&said).unwrap();
        let hooks = release["hooks"].as_array().into_iter().flatten();
        hooks.map(|hook| serde_yaml::from_str(hook["manifest"].as_str().unwrap()).unwrap()).collect()
    };
    let all = hooks(&[]);
    let pod = all.iter().find(|hook| hook["kind"] == "Pod").unwrap();
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let container = &pod["spec"]["containers"][0];
    let host = "--host=$(ENTROPOOL_CONTROLLER_SERVICE_HOST)";
    assert_eq!(container["args"], json!(["check-service", host, "--ca-file=/etc/entropool/ca/ca.crt"]));
    let all = hooks(&["--set=tls.existingSecret=mine,fullnameOverride=rng"]);
    let pod = all.iter().find(|hook| hook["kind"] == "Pod").unwrap();
    assert_eq!(pod["spec"]["containers"][0]["args"][1], "--host=rng-controller.entropool-system.svc");
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["secretName"], "mine");
    let job = |hooks: Vec<Value>| hooks.into_iter().find(|hook| hook["kind"] == "Job");
    let found = job(hooks(&[])).unwrap();
    assert_eq!(found["metadata"]["annotations"]["helm.sh/hook"], "pre-delete");
    assert_eq!(found["spec"]["activeDeadlineSeconds"], 120);
    let found = job(hooks(&["--set=uninstall.timeoutSeconds=30"])).unwrap();
    assert_eq!(found["spec"]["activeDeadlineSeconds"], 30);
    assert_eq!(job(hooks(&["--set=uninstall.cleanNodes=false"])), None);
}

#[test]
fn the_kinds_are_upgraded_with_the_release_and_outlive_it() {
    // A server of its own: what is cluster-wide has one owner.
    let server = ApiServer::start().unwrap();
    server.said(["create", "namespace", NAMESPACE]).unwrap();
    let helm = |words: &[&str]| {
        let mut command = helm().unwrap();
        command.arg("--kubeconfig").arg(server.kubeconfig()).args(["--namespace", NAMESPACE]);
        command.args(words);
        said(&mut command)
    };
    let chart = chart();
    let chart = chart.to_str().unwrap();
    // No job can run here.
    let values = "--set=uninstall.cleanNodes=false";
    helm(&["install", "entropool", chart, values]).unwrap();
    server.until_established(&["crd/entropypools.entropool.io"]).unwrap();
    let short = ["get", "crd/entropypools.entropool.io", "-o", "jsonpath={.spec.names.shortNames}"];
    assert_eq!(server.said(short).unwrap(), r#"["epool"]"#);
    let pool =
        "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: kept}, spec: {rate: 1Ki/s}}";
    assert!(server.feed(["apply", "-f", "-"], pool).unwrap().status.success());

    // As an earlier version had it.
    let earlier = r#"--patch={"spec":{"names":{"shortNames":["ep"]}}}"#;
    server.said(["patch", "crd/entropypools.entropool.io", "--type=merge", earlier]).unwrap();
    helm(&["upgrade", "entropool", chart, values]).unwrap();
    assert_eq!(server.said(short).unwrap(), r#"["epool"]"#);

    helm(&["uninstall", "entropool"]).unwrap();
    assert_eq!(server.said(["get", "epool", "-o", "name"]).unwrap(), "entropypool.entropool.io/kept\n");
    let left = server.said(["get", "deploy,ds,sa,svc,cm,role", "-n", NAMESPACE, "-o", "name"]).unwrap();
    assert!(!left.contains("entropool"), "{left}");
    helm(&["install", "entropool", chart, values, "--set=crds.keep=false"]).unwrap();
    assert_eq!(server.said(["get", "epool", "-o", "name"]).unwrap(), "entropypool.entropool.io/kept\n");

    // Nobody's accident.
    helm(&["uninstall", "entropool"]).unwrap();
    let kinds = ["crd/entropypools.entropool.io", "crd/entropyclasses.entropool.io"];
    server.said(["wait", "--for=delete", "--timeout=30s"].iter().chain(&kinds)).unwrap();
}
