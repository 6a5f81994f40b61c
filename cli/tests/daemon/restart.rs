//! What a daemon knows of the one before it.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Daemon, Home, draw, entropool};

const POOL: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1Mi/s, defaultClass: bronze}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 512Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: bronze}
spec: {pool: default, rate: 256Ki/s}
";
const FLAGS: [&str; 2] = ["-f", "pools.yaml"];

/// A daemon of these manifests, with `web-1` attached and that on disk.
fn attached() -> (Home, Daemon) {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&FLAGS);
    daemon.says(&["attach", "web-1=default,client=egd", "--namespace", "shop"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"].is_object());
    (home, daemon)
}

fn classes(daemon: &Daemon) -> Vec<String> {
    let vms = &daemon.json(&["vms"])["vms"];
    let row = |vm: &serde_json::Value| format!("{} {} {}", vm["name"], vm["namespace"], vm["class"]);
    vms.as_array().unwrap().iter().map(|vm| row(vm).replace('"', "")).collect()
}

#[test]
fn attached_vm_is_served_again_after_a_power_cut() {
    let (home, daemon) = attached();
    daemon.kill();
    let daemon = home.start(&FLAGS);
    assert_eq!(draw(&home.socket("web-1"), 300), 300);
    assert_eq!(classes(&daemon), ["web-1 shop bronze"]);
    assert_eq!(daemon.json(&["vms"])["vms"][0]["client"], "egd");
}

#[test]
fn move_and_detach_survive_a_restart() {
    let (home, mut daemon) = attached();
    daemon.says(&["attach", "web-2=default"]);
    daemon.says(&["move", "web-1", "gold"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"]["class"] == "gold");
    daemon.says(&["detach", "web-2"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-2"].is_null());
    daemon.kill();
    assert_eq!(classes(&home.start(&FLAGS)), ["web-1 shop gold"]);
    assert!(!home.socket("web-2").exists());
}

#[test]
fn last_state_is_saved_at_the_end_with_the_counters() {
    let (home, mut daemon) = attached();
    assert_eq!(draw(&home.socket("web-1"), 300), 300);
    daemon.says(&["move", "web-1", "gold"]);
    assert_eq!(daemon.terminate().code(), Some(0));
    let daemon = home.start(&FLAGS);
    assert_eq!(draw(&home.socket("web-1"), 20), 20);
    assert_eq!(daemon.json(&["vms"])["vms"][0]["counters"]["bytes"], 320);
    assert_eq!(classes(&daemon), ["web-1 shop gold"]);
    daemon.says(&["detach", "web-1"]);
    daemon.says(&["attach", "web-1=default"]);
    assert_eq!(daemon.json(&["vms"])["vms"][0]["counters"]["bytes"], 0, "another VM by that name");
}

#[test]
fn invalid_manifest_leaves_the_last_good_configuration_in_effect() {
    let wrong = [
        (POOL.replace("rate: 512Ki/s", "rate: 2Mi/s"), "EntropyClass gold: spec.rate: 2Mi/s is more than"),
        (POOL.replace("rate: 1Mi/s", "raet: 1Mi/s"), "raet"),
        (": - not yaml [".to_owned(), "pools.yaml"),
    ];
    let (home, daemon) = attached();
    daemon.kill();
    for (manifest, sentence) in wrong {
        home.write("pools.yaml", &manifest);
        let mut daemon = home.start_with(&FLAGS, sentence);
        daemon.wait_for("ready");
        assert_eq!(daemon.json(&["pools"])["pools"][0]["rate"], "1Mi/s");
        assert_eq!(daemon.json(&["classes"])["classes"][1]["rate"], "512Ki/s");
        assert_eq!(draw(&home.socket("web-1"), 300), 300);
        daemon.kill();
    }
}

#[test]
fn vm_whose_class_was_deleted_during_downtime_is_served_until_it_is_detached() {
    let (home, mut daemon) = attached();
    daemon.says(&["move", "web-1", "gold"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"]["class"] == "gold");
    daemon.kill();
    home.write("pools.yaml", &POOL.replace("name: gold", "name: silver"));
    for _ in 0..2 {
        let daemon = home.start(&FLAGS);
        assert_eq!(classes(&daemon), ["web-1 shop gold"]);
        assert!(daemon.refuses(&["attach", "web-2=default/gold"]).contains("has been deleted"));
        daemon.kill();
    }
    let mut daemon = home.start(&FLAGS);
    daemon.says(&["detach", "web-1"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"].is_null());
    daemon.kill();
    let daemon = home.start(&FLAGS);
    assert!(daemon.refuses(&["attach", "web-2=default/gold"]).contains("has no class gold"));
}

#[test]
fn command_line_overrides_the_saved_vms() {
    let (home, daemon) = attached();
    daemon.kill();
    let mut daemon = home.start(&[FLAGS[0], FLAGS[1], "--vm", "web-1=default/gold"]);
    assert_eq!(classes(&daemon), ["web-1 default gold"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"].is_null());
}

#[test]
fn damaged_checkpoint_is_set_aside_and_reported() {
    let (home, daemon) = attached();
    daemon.kill();
    for slot in ["state.a", "state.b"] {
        let slot = home.path("state").join(slot);
        if let Ok(mut bytes) = fs::read(&slot) {
            bytes[30] ^= 1;
            fs::write(&slot, bytes).unwrap();
        }
    }
    let mut daemon = home.start_with(&FLAGS, "its checksum does not match");
    daemon.wait_for("ready");
    assert!(home.path("state/state.a.corrupt").exists());
    assert_eq!(classes(&daemon), <[&str; 0]>::default());
    daemon.says(&["attach", "web-1=default"]);
    assert_eq!(draw(&home.socket("web-1"), 300), 300);
}

#[test]
fn failing_disk_is_reported_once_while_serving_continues() {
    let (home, mut daemon) = attached();
    // A directory cannot be written over by a file, whoever tries.
    fs::create_dir(home.path("state/state.tmp")).unwrap();
    daemon.says(&["attach", "web-2=default"]);
    let said = daemon.wait_for("failed to write checkpoint");
    assert!(said.contains("serving continues"), "{said}");
    assert_eq!(draw(&home.socket("web-2"), 300), 300);
    fs::remove_dir(home.path("state/state.tmp")).unwrap();
    daemon.says(&["attach", "web-3=default"]);
    daemon.wait_for("checkpoint writable again");
    daemon.wait_until_kept(&home, |state| state["vms"]["web-3"].is_object());
}

#[test]
fn state_directory_has_no_served_bytes() {
    let (home, mut daemon) = attached();
    let output = entropool(["egd", "read", "4096"]).arg(home.socket("web-1")).stdin(Stdio::null()).output();
    let served = output.unwrap().stdout;
    assert_eq!(served.len(), 4_096);
    daemon.says(&["attach", "web-2=default"]);
    assert_eq!(daemon.terminate().code(), Some(0));
    for file in fs::read_dir(home.path("state")).unwrap() {
        let kept = fs::read(file.unwrap().path()).unwrap();
        // Eight equal bytes in a row are no accident.
        let found = served.windows(8).any(|bytes| kept.windows(8).any(|kept| kept == bytes));
        assert!(!found, "served bytes are on disk");
    }
}

/// The manifests without what some VMs draw from: two classes, of which one was the default, and a whole pool; and a namespace that a
/// class takes no more.
const DELETED: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1Mi/s, defaultClass: iron}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: iron}
spec: {pool: default, rate: 64Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: closed}
spec: {pool: default, rate: 64Ki/s, allowedNamespaces: {from: None}}
";

#[test]
fn vms_of_deleted_objects_are_served_across_all_restarts() {
    let home = Home::new();
    let other =
        "---\napiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: old}\nspec: {}\n";
    let open = "---\napiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: closed}\n\
                spec: {pool: default, rate: 64Ki/s}\n";
    home.write("pools.yaml", &(POOL.to_owned() + other + open));
    let flags = ["-f", "pools.yaml", "--vm", "named=default/gold,client=egd"];
    let mut daemon = home.start(&flags);
    for vm in
        ["gold=default/gold", "plain=default/bronze", "old=old", "shut=default/closed", "gone=default/gold"]
    {
        daemon.says(&["attach", &format!("{vm},client=egd"), "--namespace", "shop"]);
    }
    daemon.wait_until_kept(&home, |state| state["vms"]["gone"].is_object());
    home.write("pools.yaml", DELETED);
    daemon.wait_for("change=removed");
    daemon.wait_until_kept(&home, |state| state["orphans"].is_object());
    daemon.says(&["detach", "gone"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["gone"].is_null());

    let vms = [
        "gold shop gold",
        "named default gold",
        "old shop (default)",
        "plain shop bronze",
        "shut shop closed",
    ];
    let goes_on = |daemon: &Daemon, vms: &[&str], what: &str| {
        assert_eq!(classes(daemon), vms, "{what}");
        for vm in vms.iter().map(|vm| vm.split_once(' ').unwrap().0) {
            assert_eq!(draw(&home.socket(vm), 300), 300, "{vm}, {what}");
        }
        let listed = daemon.says(&["classes"]);
        assert!(listed.contains("gold (deleted)") && listed.contains("bronze (deleted)"), "{what}: {listed}");
        for new in ["b=default/gold", "b=old", "b=default/closed"] {
            daemon.refuses(&["attach", new, "--namespace", "shop"]);
        }
    };
    goes_on(&daemon, &vms, "before");
    kill_process(Pid::from_raw(daemon.id().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    daemon.wait_for("ready");
    goes_on(&daemon, &vms, "the worker was killed");
    daemon.hand_over();
    goes_on(&daemon, &vms, "it handed over");
    daemon.kill();

    // A command line is judged anew by who starts it.
    let refused = home.refused(&flags);
    assert!(refused.contains("pool default has no class gold"), "{refused}");
    let others = vms.into_iter().filter(|vm| !vm.starts_with("named")).collect::<Vec<_>>();
    let mut daemon = home.start(&FLAGS);
    goes_on(&daemon, &others, "all of it was killed");
    assert_eq!(daemon.terminate().code(), Some(0));
    let mut daemon = home.start(&FLAGS);
    goes_on(&daemon, &others, "it was told to end");

    for vm in ["gold", "plain", "old", "shut"] {
        daemon.says(&["detach", vm]);
    }
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!home.start(&FLAGS).says(&["classes"]).contains("(deleted)"), "nobody is left in them");
}
