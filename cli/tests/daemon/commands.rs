//! What a daemon answers.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Home, draw, entropool, output};

const POOL: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1Mi/s, defaultClass: bronze}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 512Ki/s, perVM: {rate: 256Ki/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: bronze}
spec: {pool: default, ceil: 256Ki/s, burst: 4Ki, cburst: 4Ki}
";

#[test]
fn vm_is_attached_moved_and_detached() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "web-1=default/gold,client=egd"]);
    assert_eq!(draw(&home.socket("web-1"), 1_000), 1_000);

    let socket = daemon.says(&["attach", "web-2=default,client=egd"]);
    assert_eq!(socket.trim_end(), home.socket("web-2").to_str().unwrap());
    assert_eq!(draw(&home.socket("web-2"), 100), 100);

    daemon.says(&["move", "web-2", "gold"]);
    let vms = &daemon.json(&["vms"])["vms"];
    let shown: Vec<_> =
        vms.as_array().unwrap().iter().map(|vm| (vm["name"].clone(), vm["class"].clone())).collect();
    assert_eq!(shown, [("web-1".into(), "gold".into()), ("web-2".into(), "gold".into())]);
    assert_eq!(vms[0]["counters"]["bytes"], 1_000);
    assert_eq!(vms[1]["counters"]["bytes"], 100);

    daemon.says(&["detach", "web-2"]);
    assert!(!home.socket("web-2").exists());
    assert_eq!(daemon.json(&["vms"])["vms"].as_array().unwrap().len(), 1);
}

#[test]
fn every_list_is_a_table_and_a_json_document() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "web-1=default/gold", "--vm", "batch-1=default"]);
    let place = home.path("").to_str().unwrap().to_owned();
    for verb in ["pools", "classes", "vms", "waiting"] {
        insta::assert_snapshot!(verb, daemon.says(&[verb]).replace(&place, "HOME/"));
        assert!(daemon.json(&[verb]).is_object());
    }
    insta::assert_snapshot!("explain", daemon.says(&["explain", "web-1"]).replace(&place, "HOME/"));
    assert_eq!(daemon.json(&["explain", "web-1"])["path"].as_array().unwrap().len(), 4);
}

#[test]
fn top_prints_the_given_number_of_tables() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "web-1=default/gold"]);
    let once = daemon.says(&["top", "--once", "--interval", "50ms", "--vms"]);
    assert_eq!(once.lines().count(), 5, "{once}");
    let lines = daemon.says(&["top", "--count", "3", "--interval", "50ms", "-o", "json"]);
    let rows = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["rows"].clone();
    assert_eq!(lines.lines().map(|line| rows(line).as_array().unwrap().len()).collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn waiting_names_the_limit_of_a_flooding_vm() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "batch-1=default/bronze"]);
    let mut flood = entropool(["egd", "read", "100000000"]);
    let mut flood = flood.arg(home.socket("batch-1")).stdout(Stdio::null()).spawn().unwrap();
    // Its burst goes first; one look lasts longer than that.
    let mut waiting = String::new();
    for _ in 0..100 {
        daemon.says(&["top", "--once", "--interval", "50ms"]);
        waiting = daemon.says(&["waiting"]);
        if waiting.contains("the ceil of") {
            break;
        }
    }
    flood.kill().unwrap();
    flood.wait().unwrap();
    assert!(waiting.contains("the ceil of"), "{waiting}");
}

#[test]
fn egd_sends_all_five_commands() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default/gold,client=egd"]);
    let egd = |args: &[&str]| {
        let output = output(entropool(["egd"]).args(args).arg(home.socket("a")));
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let text = |args: &[&str]| String::from_utf8(egd(args)).unwrap().trim_end().to_owned();
    assert_eq!(text(&["pid"]), daemon.id().to_string());
    assert!(text(&["level"]).parse::<u32>().unwrap() > 0);
    assert_eq!(egd(&["read", "300"]).len(), 300);
    assert_eq!(egd(&["read", "300", "--non-blocking"]).len(), 300);
    let hex = text(&["read", "16", "--hex"]);
    assert!(hex.len() == 32 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()), "{hex}");

    let mut write = entropool(["egd", "write"]);
    write.arg(home.socket("a")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut write = write.spawn().unwrap();
    write.stdin.take().unwrap().write_all(&[7; 1_000]).unwrap();
    assert_eq!(write.wait_with_output().unwrap().stdout, b"1000 bytes sent\n");
}

#[test]
fn qemu_args_have_the_socket_of_a_vm() {
    let home = Home::new();
    let daemon = home.start(&["--vm", "a=default"]);
    let arguments = daemon.says(&["qemu-args", "a", "--qemu-version", "9.2"]);
    assert!(
        arguments.contains(&format!("path={},reconnect-ms=1000", home.socket("a").display())),
        "{arguments}"
    );
    let document = daemon.json(&["qemu-args", "a"]);
    assert_eq!(document["arguments"].as_array().unwrap().len(), 6);
}

#[test]
fn without_manifests_there_is_one_pool() {
    let home = Home::new();
    let daemon = home.start(&["--vm", "a=default"]);
    assert_eq!(draw(&home.socket("a"), 1_000), 1_000);
    assert_eq!(daemon.json(&["pools"])["pools"][0]["name"], "default");
}

#[test]
fn sigterm_ends_the_daemon_and_removes_its_sockets() {
    let home = Home::new();
    let mut daemon = home.start(&["--vm", "a=default"]);
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!home.path("run/vm/a").exists());
    assert!(!home.path("run/api.sock").exists());
}

#[test]
fn owed_bytes_are_served_during_the_drain_within_the_ceil() {
    let home = Home::new();
    home.write(
        "pools.yaml",
        &POOL.replace("ceil: 256Ki/s", "ceil: 1Ki/s").replace("burst: 4Ki", "burst: '1'"),
    );
    let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default/bronze,client=egd"]);
    let mut guest = UnixStream::connect(home.socket("a")).unwrap();
    // More than the burst has; a second at its ceil brings the rest.
    guest.write_all(&[2, 255, 2, 255, 2, 255]).unwrap();
    guest.read_exact(&mut [0; 255]).unwrap();
    assert_eq!(daemon.terminate().code(), Some(0));
    let mut rest = Vec::new();
    guest.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 510);
}

#[test]
fn idle_daemon_sleeps() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default,client=egd"]);
    daemon.says(&["attach", "b=default"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["b"].is_object());
    let mut guest = UnixStream::connect(home.socket("a")).unwrap();
    guest.write_all(&[2, 64]).unwrap();
    guest.read_exact(&mut [0; 64]).unwrap();
    guest.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // The first wait lets it come to rest after what it was asked.
    guest.read_exact(&mut [0]).unwrap_err();
    let before = daemon.sleeps();
    guest.read_exact(&mut [0]).unwrap_err();
    assert_eq!(daemon.sleeps(), before);
}

#[test]
fn offline_commands_need_no_daemon() {
    let home = Home::new();
    let output = entropool(["crds", "--dir"]).arg(home.path("crds")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let written = fs::read_to_string(home.path("crds/entropypools.yaml")).unwrap();
    let printed = entropool(["crds"]).output().unwrap().stdout;
    assert!(String::from_utf8(printed).unwrap().starts_with(&written));
    let completion = entropool(["completion", "bash"]).output().unwrap().stdout;
    assert!(String::from_utf8(completion).unwrap().contains("qemu-args"));
}

#[test]
fn egd_discards_unsolicited_bytes() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default/gold,client=qemu"]);
    let egd = |args: &[&str]| output(entropool(["egd"]).args(args).arg(home.socket("a"))).stdout;
    for _ in 0..20 {
        assert_eq!(egd(&["pid"]), format!("{}\n", daemon.id()).into_bytes());
        let level = String::from_utf8(egd(&["level"])).unwrap();
        assert_eq!(level.trim_end().parse::<u32>().unwrap() % 8, 0, "whole bytes, in bits");
        assert!(egd(&["read", "5", "--non-blocking"]).len() <= 5);
    }
}
