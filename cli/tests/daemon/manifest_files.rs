//! What stands where the manifests should be, and how their changes are noticed.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;

use crate::hung_mount::HungMount;
use crate::support::{Daemon, Home, after, draw, minding_hang_up};

fn pool(rate: &str) -> String {
    format!(
        "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {{name: default}}\nspec: {{rate: {rate}}}\n"
    )
}

fn rate(daemon: &Daemon) -> Value {
    daemon.json(&["pools"])["pools"][0]["rate"].clone()
}

#[test]
fn fifo_in_place_of_a_manifest_blocks_nobody() {
    let home = Home::new();
    home.write("pools.yaml", &pool("64Ki/s"));
    let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default"]);
    daemon.wait_until_kept(&home, |state| state["accepted"]["pools"]["default"].is_object());
    mknodat(CWD, home.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::rename(home.path("fifo"), home.path("pools.yaml")).unwrap();
    let said = daemon.wait_for("refused");
    assert!(said.contains("it is a FIFO, not a regular file"), "{said}");
    daemon.says(&["attach", "b=default", "--namespace", "elsewhere"]);
    daemon.kill_worker();
    daemon.wait_for("ready");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    home.write("pools.yaml", &pool("128Ki/s"));
    daemon.wait_for("rate 64Ki/s -> 128Ki/s");
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn hung_file_system_of_the_manifests_blocks_nobody() {
    let home = Home::new();
    home.write("good/pools.yaml", &pool("64Ki/s"));
    let mut mount = HungMount::new(&home.path("hung"));
    symlink("good", home.path("current")).unwrap();
    let mut daemon = home.start(&["-f", "current/pools.yaml", "--vm", "a=default"]);
    daemon.wait_until_kept(&home, |state| state["accepted"]["pools"]["default"].is_object());
    symlink("hung", home.path("new")).unwrap();
    fs::rename(home.path("new"), home.path("current")).unwrap();
    let said = daemon.wait_for("ManifestsSlow");
    assert!(said.contains("current/pools.yaml"), "{said}");
    daemon.says(&["attach", "b=default", "--namespace", "elsewhere"]);
    assert_eq!(draw(&home.socket("b"), 300), 300);
    daemon.kill_worker();
    daemon.wait_for("ready");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    daemon.wait_for("ManifestsSlow");
    symlink("good", home.path("new")).unwrap();
    home.write("good/pools.yaml", &pool("128Ki/s"));
    fs::rename(home.path("new"), home.path("current")).unwrap();
    mount.end();
    daemon.wait_for("rate 64Ki/s -> 128Ki/s");
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[test]
fn sparse_manifest_is_refused_unread() {
    let home = Home::new();
    home.write("pools.yaml", &pool("64Ki/s"));
    let mut daemon = home.start(&["-f", "pools.yaml"]);
    File::create(home.path("sparse")).unwrap().set_len(3 << 30).unwrap();
    fs::rename(home.path("sparse"), home.path("pools.yaml")).unwrap();
    let said = daemon.wait_for("refused");
    assert!(said.contains("the file has more than 16 MiB"), "{said}");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100 * 1024, "{peak} KiB");
    assert_eq!(rate(&daemon), "64Ki/s");
}

#[test]
fn link_that_is_swapped_above_the_manifests_is_followed() {
    let home = Home::new();
    for (release, rate) in [("1", "64Ki/s"), ("2", "128Ki/s"), ("3", "256Ki/s")] {
        home.write(&format!("releases/{release}/etc/pools.yaml"), &pool(rate));
    }
    symlink("releases/1", home.path("current")).unwrap();
    let mut daemon = home.start(&["-f", "current/etc"]);
    for (release, change) in [("2", "rate 64Ki/s -> 128Ki/s"), ("3", "rate 128Ki/s -> 256Ki/s")] {
        symlink(format!("releases/{release}"), home.path("new")).unwrap();
        fs::rename(home.path("new"), home.path("current")).unwrap();
        daemon.wait_for(change);
    }
}

#[test]
fn daemon_without_inotify_serves_and_polls() {
    let home = Home::new();
    home.write("pools.yaml", &pool("64Ki/s"));
    let run = home.run(&["-f", "pools.yaml", "--vm", "a=default"]);
    // A limit of a user namespace of its own.
    let limit = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
    let before = format!("exec unshare --user --map-root-user sh -c '{limit}' sh \"$@\"");
    let mut daemon = Daemon::spawn(&mut after(&before, &run), home.path("run/api.sock"));
    let said = daemon.wait_for("cannot watch the manifests");
    assert!(said.contains("WARN"), "{said}");
    daemon.wait_for("ready");
    home.write("pools.yaml", &pool("128Ki/s"));
    daemon.wait_for("rate 64Ki/s -> 128Ki/s");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    assert_eq!(daemon.terminate().code(), Some(0));
    let again = daemon.rest().into_iter().filter(|line| line.contains("cannot watch the manifests")).count();
    assert_eq!(again, 0, "it is said once");
}

#[test]
fn standard_input_is_read_once() {
    let home = Home::new();
    let manifest = home.write("pools.yaml", &pool("64Ki/s"));
    let mut command = minding_hang_up(&home.run(&["-f", "-", "--vm", "a=default"]));
    command.stdin(Stdio::from(File::open(manifest).unwrap()));
    let mut daemon = Daemon::spawn(&mut command, home.path("run/api.sock"));
    daemon.wait_for("ready");
    assert_eq!(rate(&daemon), "64Ki/s");
    // What a worker accepted must not be what the next one starts from.
    daemon.kill_worker();
    daemon.wait_for("ready");
    assert_eq!(rate(&daemon), "64Ki/s");
    daemon.hand_over();
    daemon.wait_for("handed over");
    daemon.signal(Signal::HUP);
    daemon.wait_for("manifests reloaded");
    assert_eq!(rate(&daemon), "64Ki/s");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!daemon.rest().iter().any(|line| line.contains("refused")));
}

#[test]
fn hang_up_reloads_the_manifests_unless_it_is_ignored() {
    let home = Home::new();
    home.write("pools.yaml", &pool("64Ki/s"));
    let run = home.run(&["-f", "pools.yaml", "--vm", "a=default"]);
    let mut daemon = Daemon::spawn(&mut minding_hang_up(&run), home.path("run/api.sock"));
    daemon.wait_for("ready");
    daemon.signal(Signal::HUP);
    daemon.wait_for("manifests reloaded");
    assert_eq!(draw(&home.socket("a"), 300), 300);
    assert_eq!(daemon.terminate().code(), Some(0));

    let mut daemon = Daemon::spawn(&mut after("trap '' HUP", &run), home.path("run/api.sock"));
    daemon.wait_for("ready");
    daemon.signal(Signal::HUP);
    assert_eq!(draw(&home.socket("a"), 300), 300);
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!daemon.rest().iter().any(|line| line.contains("reloaded")));
}
