//! Each command of docs/install.md, as it is written there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use entropool_tests::binary;
use entropool_tests::cluster::{ApiServer, NAMESPACE, helm, programs};

const PAGE: &str = include_str!("../../../docs/install.md");
/// What needs nodes, and is run by the tests of `cluster`; and what needs `OpenShift`.
const ELSEWHERE: [&str; 6] = [
    "kubectl -n entropool-system rollout status daemonset/entropool-agent",
    "helm test entropool --namespace entropool-system",
    "kubectl entropool check",
    "helm uninstall entropool --namespace entropool-system",
    "oc adm policy add-scc-to-user privileged -z entropool-agent -n entropool-system",
    "oc adm policy add-scc-to-user nonroot-v2 -z entropool-controller -n entropool-system",
];

#[test]
fn each_command_of_the_page_works_as_it_is_written() {
    let api = ApiServer::start().unwrap();
    api.said(["create", "namespace", NAMESPACE]).unwrap();
    let bin = tempfile::tempdir().unwrap();
    let link = |program: &Path, name: &str| symlink(program, bin.path().join(name)).unwrap();
    link(&binary::entropool().unwrap(), "kubectl-entropool");
    link(&programs().unwrap().join("kubectl"), "kubectl");
    link(Path::new(helm().unwrap().get_program()), "helm");
    let run = |line: &str| {
        let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", line]).current_dir(root).env("PATH", path);
        shell.env("KUBECONFIG", api.kubeconfig()).env("HOME", bin.path()).env_remove("HELM_NAMESPACE");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    };
    let commands: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in &commands {
        if ELSEWHERE.contains(command) {
            continue;
        }
        // Each section begins with an installation.
        let release = "helm status entropool --namespace entropool-system";
        if command.contains("entropool") && !command.starts_with("helm install") && run(release).is_err() {
            run(commands[0]).unwrap_or_else(|said| panic!("{}: {said}", commands[0]));
        }
        // This Helm was built without the version of Kubernetes that a released one assumes.
        let command = &command.replace("helm template ", "helm template --kube-version=1.34.4 ");
        run(command).unwrap_or_else(|said| panic!("{command}: {said}"));
    }
    let stale: Vec<_> = ELSEWHERE.iter().filter(|command| !commands.contains(command)).collect();
    assert!(stale.is_empty(), "not on the page: {stale:?}");
}
