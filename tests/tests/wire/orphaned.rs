//! VMs that draw from what an edit took away, over the ends of the daemon that had put them there.

use std::thread::sleep;

use entropool_tests::{Daemon, EgdClient};
use rustix::process::Signal;

use crate::broken_handovers::{LOOK, LOOKS};
use crate::{beside_others, start};

/// Where a checkpoint keeps what was deleted.
const ORPHANS: &str = "\"orphans\"";

/// A class that takes as many VMs, from that namespace alone; its VMs have a burst of 300 bytes and then nothing.
fn manifest(most: u32, namespace: &str) -> String {
    let gold = format!(
        "---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: gold}}
spec:
  pool: default
  maxVMs: {most}
  allowedNamespaces: {{from: Selector, selector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}
  perVM: {{ceil: 1/d, cburst: \"300\"}}
"
    );
    format!("{BARE}{gold}")
}

/// The same pool without that class.
const BARE: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 64Ki/s}
";

const ELSEWHERE: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: other}
spec: {rate: 64Ki/s}
";

fn ask(daemon: &Daemon, words: &[&str]) -> Result<String, String> {
    let output = daemon.host().ask(words).unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// All VMs, with their classes.
fn vms(daemon: &Daemon) -> Vec<(String, String)> {
    let vms: serde_json::Value = serde_json::from_str(&ask(daemon, &["vms", "-o", "json"]).unwrap()).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    vms["vms"].as_array().unwrap().iter().map(|vm| (word(&vm["name"]), word(&vm["class"]))).collect()
}

/// A daemon with two VMs in the class, one by its command line and one by hand, after this edit.
fn edited(edit: &str) -> Daemon {
    let daemon = start(&manifest(2, "default"), &["a=default/gold"]);
    ask(&daemon, &["attach", "b=default/gold,client=egd"]).unwrap();
    daemon.host().rewrite(edit).unwrap();
    daemon.wait_for("change in effect").unwrap();
    daemon
}

fn both_draw(daemon: &Daemon, bytes: u8) {
    for vm in ["a", "b"] {
        EgdClient::connect(&daemon.socket(vm)).unwrap().read(bytes).unwrap();
    }
    let gold = |id: &str| (id.to_owned(), "gold".to_owned());
    assert_eq!(vms(daemon), [gold("a"), gold("b")]);
}

/// Over a crash, a hand-over and another crash, a hundred bytes of the burst each: nobody was given anything anew.
fn outlives(daemon: &mut Daemon) {
    both_draw(daemon, 100);
    daemon.crash().unwrap();
    both_draw(daemon, 100);
    daemon.signal(Signal::USR2).unwrap();
    daemon.wait_for("took over").unwrap();
    daemon.wait_for("ready").unwrap();
    both_draw(daemon, 50);
    daemon.crash().unwrap();
    both_draw(daemon, 50);
    let refused = ask(daemon, &["attach", "c=default/gold,client=egd"]).unwrap_err();
    println!("a newcomer is told: {refused}");
}

#[test]
fn a_class_that_was_deleted_serves_its_vms_also_after_a_crash_and_a_hand_over() {
    let _machine = beside_others();
    outlives(&mut edited(BARE));
}

#[test]
fn so_does_a_pool_that_was_deleted() {
    let _machine = beside_others();
    outlives(&mut edited(ELSEWHERE));
}

#[test]
fn a_class_that_takes_fewer_vms_now_serves_those_it_has_also_after_a_crash_and_a_hand_over() {
    let _machine = beside_others();
    outlives(&mut edited(&manifest(1, "default")));
}

#[test]
fn so_does_one_that_their_namespace_may_not_use_any_more() {
    let _machine = beside_others();
    outlives(&mut edited(&manifest(2, "elsewhere")));
}

#[test]
fn a_class_that_is_gone_is_forgotten_with_its_last_vm() {
    let _machine = beside_others();
    let daemon = start(&manifest(2, "default"), &["a=default"]);
    ask(&daemon, &["attach", "b=default/gold,client=egd"]).unwrap();
    daemon.host().rewrite(BARE).unwrap();
    daemon.wait_for("change in effect").unwrap();
    daemon.crash().unwrap();
    assert!(ask(&daemon, &["classes"]).unwrap().contains("gold"));
    ask(&daemon, &["detach", "b"]).unwrap();
    daemon.signal(Signal::USR2).unwrap();
    daemon.wait_for("took over").unwrap();
    daemon.wait_for("ready").unwrap();
    assert!(!ask(&daemon, &["classes"]).unwrap().contains("gold"));
}

/// A pool with two classes, of which this one is the default.
fn with_default(class: &str) -> String {
    let class_of = |name: &str| {
        format!(
            "---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: {name}}}
spec: {{pool: default}}
"
        )
    };
    let pool = BARE.replace("{rate: 64Ki/s}", &format!("{{rate: 64Ki/s, defaultClass: {class}}}"));
    [pool, class_of("one"), class_of("two")].concat()
}

#[test]
fn a_vm_that_names_no_class_keeps_that_which_was_the_default_when_it_came() {
    let _machine = beside_others();
    let daemon = start(&with_default("one"), &["a=default/one"]);
    ask(&daemon, &["attach", "b=default,client=egd"]).unwrap();
    daemon.host().rewrite(&with_default("two")).unwrap();
    daemon.wait_for("change in effect").unwrap();
    ask(&daemon, &["attach", "c=default,client=egd"]).unwrap();
    let in_class = |id: &str, class: &str| (id.to_owned(), class.to_owned());
    let expected = [in_class("a", "one"), in_class("b", "one"), in_class("c", "two")];
    assert_eq!(vms(&daemon), expected, "while it runs");
    daemon.crash().unwrap();
    assert_eq!(vms(&daemon), expected, "after a crash");
    daemon.signal(Signal::USR2).unwrap();
    daemon.wait_for("took over").unwrap();
    daemon.wait_for("ready").unwrap();
    assert_eq!(vms(&daemon), expected, "after a planned restart");
}

#[test]
fn what_was_deleted_is_kept_for_the_next_start_as_long_as_it_has_vms() {
    let _machine = beside_others();
    let daemon = edited(BARE);
    let files = || {
        let file = |name| std::fs::read(daemon.host().state_dir().join(name)).unwrap_or_default();
        ["state.a", "state.b"].map(|name| String::from_utf8_lossy(&file(name)).into_owned())
    };
    let until = |what: &str, is: &dyn Fn(&[String; 2]) -> bool| {
        assert!(
            (0..LOOKS).any(|_| is(&files()) || {
                sleep(LOOK);
                false
            }),
            "{what}: {:?}",
            files()
        );
    };
    until("nothing is kept of a class that has VMs", &|files| {
        files.iter().any(|file| file.contains(ORPHANS))
    });
    for vm in ["a", "b"] {
        ask(&daemon, &["detach", vm]).unwrap();
    }
    // The two files take turns: after two writes both are new.
    for vm in ["c", "d"] {
        ask(&daemon, &["attach", &format!("{vm}=default,client=egd")]).unwrap();
        let name = format!("\"{vm}\"");
        until("the VM is not kept", &|files| files.iter().any(|file| file.contains(&name)));
    }
    until("it is kept though it has none any more", &|files| {
        !files.iter().any(|file| file.contains(ORPHANS))
    });
}
