//! A real systemd restarts the daemon by the unit that we ship, and keeps everything in between.

use std::path::PathBuf;
use std::time::Duration;

use entropool_tests::{EgdClient, QemuClients, Systemd, binary};
use soak::Run;

use crate::{OPEN, alone};

/// What no read in a guest may pass, whatever happens to the daemon.
const LONGEST: Duration = Duration::from_millis(2500);
const PLAIN: &str = "default/any,client=egd";
/// A socket unit whose socket goes to the daemon under a name.
const STRANGER: &str = "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/NAME\nService=entropool.service\nFileDescriptorName=NAME\n";

fn start(manifest: &str, vms: &[String]) -> Systemd {
    start_beside(manifest, vms, &[], "")
}

fn start_beside(manifest: &str, vms: &[String], sockets: &[(&str, &str)], more: &str) -> Systemd {
    let systemd = Systemd::start(&binary::entropool().unwrap(), manifest, vms, sockets).unwrap();
    systemd.name_vms(vms, more).unwrap();
    systemd.control(&["daemon-reload"]).unwrap();
    systemd.control(&["start", "entropool"]).unwrap();
    systemd
}

/// How many descriptors it keeps.
fn kept(systemd: &Systemd) -> u64 {
    let value = systemd.control(&["show", "-P", "NFileDescriptorStore", "entropool"]).unwrap();
    value.trim().parse().unwrap()
}

fn plain(vms: &[&str]) -> Vec<String> {
    vms.iter().map(|vm| format!("{vm}={PLAIN}")).collect()
}

#[test]
fn a_restart_by_systemd_drops_nobody() {
    let _machine = alone();
    let mut run = Run::begin("service-restarts", 3, 200);
    let vms: Vec<_> = (0..250).map(|vm| format!("vm-{vm}=default/any,client=qemu")).collect();
    let systemd = start(OPEN, &vms);
    let sockets: Vec<PathBuf> = (0..250).map(|vm| systemd.socket(&format!("vm-{vm}"))).collect();
    let herd = QemuClients::start(sockets, Duration::from_millis(50)).unwrap();
    for restart in 0..run.count() {
        std::thread::sleep(Duration::from_millis(300));
        // Systemd starts no service more than five times in ten seconds.
        systemd.control(&["reset-failed", "entropool"]).unwrap();
        systemd.control(&["restart", "entropool"]).unwrap();
        assert_eq!(kept(&systemd), 0, "what a daemon serves is kept nowhere else");
        let taken = systemd.log().matches("took over connections=250").count();
        assert_eq!(taken as u64, restart + 1, "{}", systemd.log());
    }
    std::thread::sleep(Duration::from_millis(300));
    let report = herd.stop().unwrap();
    println!("{report:?}");
    run.figure("longest_wait_ms", u64::try_from(report.longest.as_millis()).unwrap());
    assert_eq!(report.ended, 0, "connections were dropped: {report:?}");
    assert!(report.longest <= LONGEST, "{report:?}");
    assert_eq!(report.repeated, 0, "16 bytes came twice");
}

#[test]
fn what_is_half_said_and_what_is_owed_outlive_a_restart_by_systemd() {
    let _machine = alone();
    let slow =
        OPEN.replace("perVM: {", "perVM: {ceil: 20/s, ").replace("cburst: 64Ki}}", "cburst: \"100\"}}");
    let systemd = start(&slow, &plain(&["a", "b", "c"]));
    let connect = |vm| EgdClient::connect(&systemd.socket(vm)).unwrap();
    let (mut half, mut owed, mut gone) = (connect("a"), connect("b"), connect("c"));
    half.send(&[2]).unwrap();
    owed.send(&[2, 255, 2, 20]).unwrap();
    owed.receive(100).unwrap();
    gone.read(1).unwrap();

    systemd.name_vms(&plain(&["a", "b"]), "").unwrap();
    systemd.control(&["daemon-reload"]).unwrap();
    systemd.control(&["restart", "entropool"]).unwrap();

    assert!(gone.is_closed(), "a VM that is none of the daemon's any more");
    assert!(!systemd.socket("c").exists());
    let explained = systemd.inside("entropool").args(["vms", "-o", "json"]).output().unwrap();
    let vms: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    let debt = vms["vms"][1]["owed"].as_u64().unwrap();
    assert!((1..=175).contains(&debt), "{debt} bytes are owed of 175: {vms}");
    half.send(&[10]).unwrap();
    half.receive(10).unwrap();
    owed.receive(175).unwrap();
}

#[test]
fn where_systemd_keeps_nothing_or_too_little_connections_end_and_the_log_says_why() {
    let _machine = alone();
    let vms = plain(&["a", "b"]);
    let systemd = start(OPEN, &vms);
    for (times, room) in [(1, 0), (2, 3)] {
        systemd.name_vms(&vms, &format!("FileDescriptorStoreMax={room}")).unwrap();
        systemd.control(&["daemon-reload"]).unwrap();
        let mut client = EgdClient::connect(&systemd.socket("a")).unwrap();
        client.read(1).unwrap();
        systemd.control(&["restart", "entropool"]).unwrap();
        assert!(client.is_closed());
        systemd.wait_for("see FileDescriptorStoreMax=", times).unwrap();
        assert!(!systemd.log().contains("took over"), "{}", systemd.log());
        assert_eq!(kept(&systemd), 0);
        EgdClient::connect(&systemd.socket("a")).unwrap().read(1).unwrap();
    }
}

#[test]
fn what_systemd_passes_that_is_not_ours_is_closed_and_said() {
    let _machine = alone();
    let units = ["stranger", "entropool-estate"]
        .map(|name| (format!("{name}.socket"), STRANGER.replace("NAME", name)));
    let units: Vec<_> = units.iter().map(|(name, text)| (&**name, &**text)).collect();
    let systemd = start_beside(OPEN, &plain(&["a"]), &units, "");
    EgdClient::connect(&systemd.socket("a")).unwrap().read(1).unwrap();
    systemd.control(&["stop", "entropool"]).unwrap();
    systemd.control(&["start", "stranger.socket", "entropool-estate.socket"]).unwrap();
    systemd.control(&["start", "entropool"]).unwrap();
    for sentence in ["passed unknown descriptors", "stranger", "stored sockets cannot be used"] {
        assert!(systemd.log().contains(sentence), "{sentence}: {}", systemd.log());
    }
    EgdClient::connect(&systemd.socket("a")).unwrap().read(1).unwrap();
}

#[test]
fn a_daemon_that_cannot_start_leaves_with_systemd_what_the_next_one_serves() {
    let _machine = alone();
    let systemd = start(OPEN, &plain(&["a"]));
    let mut client = EgdClient::connect(&systemd.socket("a")).unwrap();
    client.read(1).unwrap();
    systemd
        .name_vms(&plain(&["a", "b"]).into_iter().chain(["c=nowhere".to_owned()]).collect::<Vec<_>>(), "")
        .unwrap();
    systemd.control(&["daemon-reload"]).unwrap();
    systemd.control(&["restart", "entropool"]).unwrap_err();
    systemd.wait_for("there is no pool nowhere", 2).unwrap();
    assert!(kept(&systemd) > 0);
    systemd.name_vms(&plain(&["a", "b"]), "").unwrap();
    systemd.control(&["daemon-reload"]).unwrap();
    systemd.control(&["start", "entropool"]).unwrap();
    client.read(64).unwrap();
}

#[test]
fn processes_that_are_killed_at_once_are_started_again_however_often() {
    let _machine = alone();
    let systemd = start(OPEN, &plain(&["a"]));
    for kill in 1..=7 {
        // As a memory limit of the unit does.
        // systemctl fails if the worker has died of the death of its supervisor meanwhile.
        let _ = systemd.control(&["kill", "-s", "KILL", "entropool"]);
        systemd.wait_for(" ready ", kill + 1).unwrap();
        EgdClient::connect(&systemd.socket("a")).unwrap().read(1).unwrap();
    }
}

#[test]
fn a_first_process_that_stands_still_is_replaced_by_systemd() {
    let _machine = alone();
    let vms = plain(&["a"]);
    let systemd = start_beside(OPEN, &vms, &[], "WatchdogSec=1s");
    let id = systemd.control(&["show", "-P", "MainPID", "entropool"]).unwrap();
    // It reports while it works.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(systemd.control(&["show", "-P", "MainPID", "entropool"]).unwrap(), id);
    assert!(systemd.inside("kill").args(["-STOP", id.trim()]).status().unwrap().success());
    systemd.wait_for(" ready ", 2).unwrap();
    EgdClient::connect(&systemd.socket("a")).unwrap().read(1).unwrap();
}
