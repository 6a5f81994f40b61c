//! Who may speak to a daemon, and what a caller that behaves badly comes to.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Daemon, Home, PATIENCE, entropool};

const POOL: &str =
    "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {}}\n";

fn start(home: &Home, args: &[&str]) -> Daemon {
    home.write("pools.yaml", POOL);
    home.start(&[&["-f", "pools.yaml"], args].concat())
}

#[test]
fn api_socket_has_the_mode_of_the_flag() {
    for (args, expected) in [(&[][..], 0o600), (&["--api-mode", "0660"], 0o660)] {
        let home = Home::new();
        let _daemon = start(&home, args);
        assert_eq!(fs::metadata(home.path("run/api.sock")).unwrap().permissions().mode() & 0o777, expected);
    }
}

#[test]
fn silent_connections_are_closed() {
    let home = Home::new();
    let daemon = start(&home, &[]);
    let api = home.path("run/api.sock");
    // More than there are places for; they are let go after a second.
    let silent: Vec<_> = (0..70).map(|_| UnixStream::connect(&api).unwrap()).collect();
    let mut pools = entropool(["pools", "--api"]);
    let asking = pools.arg(&api).stdout(Stdio::piped()).spawn().unwrap();
    let (id, (send, answered)) = (Pid::from_child(&asking), channel());
    thread::spawn(move || send.send(asking.wait_with_output()));
    let Ok(output) = answered.recv_timeout(PATIENCE) else {
        kill_process(id, Signal::KILL).unwrap();
        panic!("seventy callers that say nothing keep all others out");
    };
    assert!(String::from_utf8(output.unwrap().stdout).unwrap().contains("default"));
    drop((silent, daemon));
}

#[test]
fn callers_that_fall_silent_do_not_keep_others_out() {
    let home = Home::new();
    let daemon = start(&home, &[]);
    let api = home.path("run/api.sock");
    // They begin as a caller does, and go on being waited for.
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let connect = |_| {
        let mut caller = UnixStream::connect(&api).unwrap();
        caller.write_all(begin).unwrap();
        caller.read_exact(&mut [0; 9]).unwrap();
        caller
    };
    let silent: Vec<_> = (0..16).map(connect).collect();
    assert!(daemon.says(&["pools"]).contains("default"));
    drop(silent);
}

#[test]
fn too_long_request_is_rejected() {
    let home = Home::new();
    let daemon = start(&home, &[]);
    let member = format!("{}=default", "x".repeat(100 * 1024));
    daemon.refuses(&["attach", &member]);
    assert_eq!(daemon.says(&["vms"]), "No VMs.\n");
}

#[test]
fn stalled_readers_do_not_block_others() {
    let home = Home::new();
    let vms: Vec<_> = (0..100).flat_map(|vm| ["--vm".to_owned(), format!("vm-{vm}=default")]).collect();
    let daemon = start(&home, &vms.iter().map(String::as_str).collect::<Vec<_>>());
    let api = home.path("run/api.sock");
    let top = ["top", "--vms", "--interval", "50ms", "-o", "json"];
    let follow = || entropool(top).arg("--api").arg(&api).stdout(Stdio::piped()).spawn().unwrap();
    let mut readers: Vec<_> = (0..8).map(|_| follow()).collect();
    for reader in &mut readers {
        // It runs; from here on nobody reads what it prints.
        reader.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
    for _ in 0..20 {
        assert!(daemon.says(&["vms"]).contains("vm-99"));
    }
    for mut reader in readers {
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
}

#[test]
fn unknown_name_is_rejected_with_the_known_ones() {
    let home = Home::new();
    let daemon = start(&home, &["--vm", "a=default"]);
    for verb in ["vms", "classes", "waiting"] {
        let said = daemon.refuses(&[verb, "--pool", "nope"]);
        assert_eq!(said, "entropool: there is no pool nope on this host; available: default\n");
    }
    let said = daemon.refuses(&["vms", "--pool", "default", "--class", "gold"]);
    assert!(said.contains("there is no class gold in pool default; available: "), "{said}");
}

#[test]
fn closed_pipe_ends_a_read_without_an_error() {
    let home = Home::new();
    let _daemon = start(&home, &["--vm", "a=default,client=egd"]);
    for hex in [&[][..], &["--hex"]] {
        let mut read = entropool(["egd", "read", "1000000000"]);
        read.args(hex).arg(home.socket("a")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut read = read.spawn().unwrap();
        read.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
        let output = read.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn relative_directories_are_made_absolute() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut command = entropool(["run", "-f", "pools.yaml", "--run-dir", "run", "--state-dir", "state"]);
    command.args(["--vm", "a=default"]).current_dir(home.path("")).stderr(Stdio::piped());
    let mut daemon = Daemon::new(command.spawn().unwrap(), home.path("run/api.sock"));
    daemon.wait_for("ready");
    let path = home.socket("a");
    let arguments = daemon.says(&["qemu-args", "a"]);
    assert!(arguments.contains(&format!("path={},", path.display())), "{arguments}");
    let near = entropool(["qemu-args", "run/vm/a/egd.sock"]).current_dir(home.path("")).output().unwrap();
    assert_eq!(String::from_utf8(near.stdout).unwrap(), arguments);
}

#[test]
fn rejected_first_start_leaves_nothing_behind() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    home.refused(&["-f", "absent.yaml"]);
    home.refused(&["-f", "pools.yaml", "--vm", "a=nope"]);
    assert!(!home.path("run").exists() && !home.path("state").exists());
    fs::create_dir(home.path("run")).unwrap();
    home.refused(&["-f", "pools.yaml", "--vm", "a=nope"]);
    assert!(home.path("run").exists(), "what was there before stays");
}
