//! The directories of a daemon: who may use them, and what they outlive.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Daemon, Home, after, draw, entropool, output};

const POOL: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1Mi/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 64Ki/s}
";
const FLAGS: [&str; 2] = ["-f", "pools.yaml"];

#[test]
fn state_directory_of_a_running_daemon_is_refused_to_a_second_one() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&FLAGS);
    daemon.says(&["attach", "web-1=default/gold"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["web-1"].is_object());
    let refused_beside = |daemon: &Daemon| {
        let mut second = entropool(["run", "-f", "pools.yaml", "--run-dir"]);
        second.arg(home.path("run-2")).arg("--state-dir").arg(home.path("state")).current_dir(home.path(""));
        let output = output(&mut second);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said =
            String::from_utf8(output.stderr).unwrap().replace(home.path("").to_str().unwrap(), "HOME/");
        let owner = daemon.supervisor();
        let sentence = format!(
            "HOME/state (--state-dir) belongs to a running daemon, process {owner}, which serves HOME/run: stop"
        );
        assert!(said.contains(&sentence), "{said}");
        assert!(!home.path("run-2").exists(), "it leaves nothing behind");
    };
    refused_beside(&daemon);
    daemon.kill_worker();
    daemon.wait_for("ready");
    refused_beside(&daemon);
    daemon.hand_over();
    refused_beside(&daemon);
    let refused = home.refused(&FLAGS);
    assert!(refused.contains("HOME/run (--run-dir), HOME/state (--state-dir)"), "{refused}");
    assert!(refused.contains("take over from it with --take-over"), "{refused}");

    // Another supervisor takes over, and holds the directories from then on.
    let mut taker = home.run(&[&FLAGS[..], &["--take-over"]].concat());
    let mut successor = Daemon::spawn(&mut taker, home.path("run/api.sock"));
    successor.wait_for("took over");
    successor.wait_for("ready");
    assert_eq!(daemon.wait().code(), Some(0));
    refused_beside(&successor);
    successor.kill_worker();
    successor.wait_for("ready");
    refused_beside(&successor);
    assert_eq!(draw(&home.socket("web-1"), 300), 300);
    successor.kill();
    assert_eq!(home.start(&FLAGS).json(&["vms"])["vms"][0]["name"], "web-1");
}

#[test]
fn counts_of_pools_and_classes_go_on_over_every_restart() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&[&FLAGS[..], &["--vm", "a=default/gold,client=egd"]].concat());
    let counts = |daemon: &Daemon| {
        let class = &daemon.json(&["classes"])["classes"][1]["counters"];
        let (pool, vm) = (daemon.json(&["pools"]), daemon.json(&["vms"]));
        let (pool, vm) = (&pool["pools"][0]["counters"], &vm["vms"][0]["counters"]);
        assert_eq!(class["bytes"], pool["bytes"]);
        [&class["bytes"], &class["grants"], &pool["grants"], &vm["bytes"], &vm["grants"]]
            .map(|it| it.as_u64().unwrap())
    };
    assert_eq!(draw(&home.socket("a"), 300), 300);
    assert_eq!(counts(&daemon), [300, 2, 2, 300, 2]);
    daemon.hand_over();
    assert_eq!(counts(&daemon), [300, 2, 2, 300, 2]);
    assert_eq!(draw(&home.socket("a"), 100), 100);
    assert_eq!(daemon.terminate().code(), Some(0));
    let daemon = home.start(&[&FLAGS[..], &["--vm", "a=default/gold,client=egd"]].concat());
    assert_eq!(counts(&daemon)[..3], [400, 3, 3]);
    assert!(fs::metadata(home.path("state")).unwrap().is_dir());
}

#[test]
fn files_have_their_modes_whatever_the_umask() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let run = home.run(&[&FLAGS[..], &["--vm", "a=default"]].concat());
    let mut daemon = Daemon::spawn(&mut after("umask 077", &run), home.path("run/api.sock"));
    daemon.wait_for("ready");
    for (path, expected) in [
        ("run", 0o755),
        ("run/vm", 0o755),
        ("run/vm/a", 0o750),
        ("run/vm/a/egd.sock", 0o660),
        ("run/api.sock", 0o600),
        ("run/handover.sock", 0o600),
        ("run/state", 0o600),
        ("state", 0o700),
    ] {
        let mode = fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{path} has {mode:o}");
    }
}

#[test]
fn run_directory_that_is_removed_is_made_anew() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&FLAGS);
    daemon.says(&["attach", "a=default"]);
    fs::remove_file(home.path("run/api.sock")).unwrap();
    let said = daemon.wait_for("RunDirRemoved");
    assert!(said.contains("ERROR") && said.contains("vms=0"), "{said}");
    daemon.wait_for("made anew");
    daemon.says(&["pools"]);

    fs::remove_dir_all(home.path("run")).unwrap();
    let said = daemon.wait_for("RunDirRemoved");
    assert!(said.contains("vms=1"), "{said}");
    daemon.wait_for("made anew");
    daemon.says(&["detach", "a"]);
    daemon.says(&["attach", "a=default"]);
    assert_eq!(draw(&home.socket("a"), 300), 300);
    daemon.hand_over();
    assert_eq!(draw(&home.socket("a"), 300), 300);
    let refused = home.refused(&FLAGS);
    assert!(refused.contains("HOME/run (--run-dir), HOME/state"), "{refused}");
}

#[test]
fn state_files_that_are_none_block_no_start() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&FLAGS);
    daemon.says(&["attach", "a=default"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["a"].is_object());
    let fifo = |name: &str| {
        let _ = fs::remove_file(home.path(name));
        mknodat(CWD, home.path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    };
    fifo("run/state");
    fifo("run/.state.new");
    daemon.kill_worker();
    daemon.wait_for("ready");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    fs::File::create(home.path("run/sparse")).unwrap().set_len(6 << 30).unwrap();
    fs::rename(home.path("run/sparse"), home.path("run/state")).unwrap();
    daemon.kill_worker();
    daemon.wait_for("ready");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    daemon.kill();
    fifo("state/state.a");
    fifo("state/state.b");
    fifo("state/source-health.json");
    let mut daemon = home.start_with(&FLAGS, "not a regular file");
    daemon.wait_for("ready");
    daemon.says(&["attach", "a=default"]);
    assert_eq!(draw(&home.socket("a"), 300), 300);
}
