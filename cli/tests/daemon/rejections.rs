//! What is refused: at a first start all at once, before anything is served.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::support::{Home, entropool};

const POOL: &str =
    "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {}}\n";

#[test]
fn all_mistakes_in_the_manifests_are_reported_together() {
    let home = Home::new();
    home.write("a.yaml", &format!("{POOL}---\n{POOL}---\n: - not yaml ["));
    home.write("b.yaml", &POOL.replace("spec: {}", "spec: {rate: 8kbit/s, ciel: 1M/s}"));
    home.write("c.yaml", &POOL.replace("Pool", "Barrel"));
    insta::assert_snapshot!(home.refused(&["-f", "a.yaml", "b.yaml", "c.yaml", "absent.yaml"]));
    assert!(!home.path("run/api.sock").exists());
}

#[test]
fn rules_between_objects_hold_at_the_first_start() {
    let home = Home::new();
    let class =
        "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: NAME}, spec: {SPEC}}\n";
    let class =
        |name: &str, spec: &str| "---\n".to_owned() + &class.replace("NAME", name).replace("SPEC", spec);
    let manifest = POOL.replace("spec: {}", "spec: {rate: 32Ki/s}")
        + &class("gold", "pool: default, rate: 64Ki/s")
        + &class("lost", "pool: absent")
        + &class("one", "pool: default, parent: two")
        + &class("two", "pool: default, parent: one");
    home.write("pools.yaml", &manifest);
    insta::assert_snapshot!(home.refused(&["-f", "pools.yaml"]));
}

#[test]
fn unusable_vms_and_directories_are_reported_together() {
    let home = Home::new();
    fs::write(home.path("state"), "in the way").unwrap();
    let long = format!("{}=default", "x".repeat(100));
    insta::assert_snapshot!(
        home.refused(&[
            "--vm",
            "a=default",
            "--vm",
            "a=default",
            "--vm",
            "b=absent",
            "--vm",
            "c=default/gold",
            "--vm",
            ".d=default",
            "--vm",
            &long,
        ])
        .replace(&"x".repeat(100), "XXX")
        .lines()
        .map(without_length)
        .collect::<Vec<_>>()
        .join("\n")
    );
    assert!(!home.path("run/vm/a").exists());
}

/// The length of a path below a temporary directory is that of its name.
fn without_length(line: &str) -> String {
    match (line.find(" has "), line.find(" bytes")) {
        (Some(from), Some(to)) if from < to => format!("{} has N{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    }
}

#[test]
fn socket_of_another_process_is_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.path("run/vm/a")).unwrap();
    let living = UnixListener::bind(home.socket("a")).unwrap();
    insta::assert_snapshot!("living", home.refused(&["--vm", "a=default", "--vm", "b=default"]));
    assert!(!home.path("run/vm/b").exists(), "nothing is left of what had been attached");
    drop(living);
    let daemon = home.start(&["--vm", "a=default"]);
    let refused = home.refused(&["--vm", "c=default"]);
    insta::assert_snapshot!(
        "second",
        refused.replace(&format!("process {}", daemon.supervisor()), "process PID")
    );
}

#[test]
fn rejected_command_says_why() {
    let home = Home::new();
    let class = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: gold}, \
                 spec: {pool: default, maxVMs: 1}}";
    home.write("pools.yaml", &format!("{POOL}---\n{class}"));
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default/gold"]);
    let said = [
        "attach a=default",
        "attach b=absent",
        "attach b=default/absent",
        "attach b=default/gold",
        "attach .b=default",
        "detach b",
        "move a absent",
        "move b gold",
        "explain b",
    ]
    .map(|line| daemon.refuses(&line.split(' ').collect::<Vec<_>>()));
    insta::assert_snapshot!(said.concat());
}

#[test]
fn usage_errors_have_exit_code_2() {
    let code = |args: &[&str]| entropool(args).output().unwrap().status.code();
    for args in [
        &["attach", "x"][..],
        &["attach", "a=default", "--namespace", "No"],
        &["run", "--vm", "x"],
        &["run", "--api", "/x"],
        &["--api", "/x", "run"],
        &["top", "--interval", "1"],
        &["egd", "read", "0", "/x"],
        &["qemu-args", "/x", "--qemu-version", "new"],
        &["nonsense"],
        &[],
        &["pools", "-o", "xml"],
    ] {
        assert_eq!(code(args), Some(2), "{args:?}");
    }
    for args in [
        &["pools", "--api", "/absent"][..],
        &["egd", "pid", "/absent"],
        &["qemu-args", "/x", "--qemu-version", "11.0.0"],
    ] {
        assert_eq!(code(args), Some(1), "{args:?}");
    }
}
