//! `kubectl entropool`: what the node's agent says, by port-forward.

use std::env;
use std::os::unix::fs::symlink;
use std::process::Output;

use entropool_tests::binary;
use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};

/// Runs `kubectl entropool`, which `kubectl` finds as it finds any plugin.
fn plugin(cluster: &Kubernetes, words: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    symlink(binary::entropool().unwrap(), dir.path().join("kubectl-entropool")).unwrap();
    let inherited = env::var_os("PATH").unwrap();
    let paths = [dir.path().to_owned()].into_iter().chain(env::split_paths(&inherited));
    let mut command = cluster.kubectl(["entropool"].into_iter().chain(words.split_whitespace()));
    command.env("PATH", env::join_paths(paths).unwrap()).output().unwrap()
}

pub(crate) fn said(cluster: &Kubernetes, words: &str) -> String {
    let output = plugin(cluster, words);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The cells of the line that has a word.
fn line(text: &str, word: &str) -> Vec<String> {
    let found = text.lines().find(|line| line.split_whitespace().any(|cell| cell == word));
    found
        .unwrap_or_else(|| panic!("no line has {word:?}:\n{text}"))
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_person_sees_who_draws_and_why_one_waits_and_detaches_it() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "asked", "defaultClass: asked", "ceil: 1Ki/s").unwrap();
    let tenant = Tenant::new(&cluster, "asking").unwrap();
    tenant.pod("reader", "asked", "asked").unwrap();
    tenant.ready("reader").unwrap();

    let vms = said(&cluster, "vms --pool asked");
    assert_eq!(line(&vms, "reader")[..5], ["node1", "reader", "asking", "asked", "asked"], "{vms}");
    let sources = said(&cluster, "sources --pool asked --node node1");
    assert_eq!(line(&sources, "asked")[..3], ["node1", "asked", "kernel"], "{sources}");
    let explained = said(&cluster, "explain reader -n asking");
    assert!(
        explained.contains("VM reader of namespace asking draws from pool asked in class asked"),
        "{explained}"
    );
    let top = said(&cluster, "top --node node1 --once --interval 100ms");
    assert!(top.contains("asked"), "{top}");
    // Another test may have ended its agent a moment ago.
    let ready =
        |cluster: &Kubernetes| Ok((line(&said(cluster, "nodes"), "node1")[1] == "ready").then_some(()));
    cluster.until("a node that is ready", ready).unwrap();
    let check = plugin(&cluster, "check --node node1");
    let check = String::from_utf8(check.stdout).unwrap();
    for right in ["leads", "every agent answers", "every agent is ready", "pods can have sockets"] {
        assert!(check.contains(right), "{right:?} is missing in\n{check}");
    }

    let moved = plugin(&cluster, "move reader other -n asking");
    let moved = String::from_utf8_lossy(&moved.stderr).into_owned();
    assert!(
        moved.contains("pod reader does not run a VM with a pool: its class is that of its volume"),
        "{moved}"
    );
    said(&cluster, "detach reader -n asking");
    assert!(!said(&cluster, "vms --pool asked").contains("reader"));
    let gone = plugin(&cluster, "explain reader -n asking");
    assert_eq!(gone.status.code(), Some(1));
    let nobody = plugin(&cluster, "vms --node node9");
    let nobody = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(nobody.contains("node node9 has no agent in namespace entropool-system"), "{nobody}");
    tenant.delete("reader").unwrap();
}
