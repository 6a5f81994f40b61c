//! The first process: what it starts, what it finds hanging, and who watches it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::hung_mount::HungMount;
use crate::support::{Daemon, Home, PATIENCE, draw};

const POOL: &str =
    "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {}}\n";

/// A daemon whose program can be replaced.
struct Installed {
    home: Home,
    daemon: Daemon,
}

impl Installed {
    fn start(start_seconds: u32) -> Self {
        let home = Home::new();
        home.write("pools.yaml", POOL);
        let program = home.path("entropool");
        fs::copy(env!("CARGO_BIN_EXE_entropool"), &program).unwrap();
        let run = home.run(&["-f", "pools.yaml", "--vm", "a=default"]);
        let mut command = Command::new(program);
        command.args(run.get_args()).current_dir(home.path("")).stdin(Stdio::null());
        command.env("ENTROPOOL_START_SECONDS", start_seconds.to_string());
        let mut daemon = Daemon::spawn(&mut command, home.path("run/api.sock"));
        daemon.wait_for("ready");
        Self { home, daemon }
    }

    fn replace(&self, program: &str, mode: u32) {
        let path = self.home.write("entropool", program);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn repair(&self) {
        let new = self.home.path("repaired");
        fs::copy(env!("CARGO_BIN_EXE_entropool"), &new).unwrap();
        fs::rename(new, self.home.path("entropool")).unwrap();
    }

    fn crash_is_served(&mut self) {
        self.daemon.kill_worker();
        self.daemon.wait_for("ready");
        assert_eq!(draw(&self.home.socket("a"), 300), 300);
    }
}

#[test]
fn successor_that_is_no_good_is_logged_and_a_crash_after_it_is_served() {
    let mut installed = Installed::start(60);
    let failures = [
        ("#!/bin/sh\nexit 7\n", 0o755, "Exited(7)"),
        ("#!/bin/sh\nexit 0\n", 0o755, "Exited(0)"),
        ("no program at all\n", 0o755, ""),
        ("no program at all\n", 0o644, "ermission denied"),
    ];
    for (program, mode, words) in failures {
        installed.replace(program, mode);
        installed.daemon.succeed();
        let said = installed.daemon.wait_for("SuccessorFailed");
        assert!(said.contains("ERROR") && said.contains(words), "{said}");
        installed.crash_is_served();
    }
    installed.repair();
    installed.daemon.hand_over();
    assert_eq!(draw(&installed.home.socket("a"), 300), 300);
}

#[test]
fn successor_that_hangs_is_killed_and_a_crash_after_it_is_served() {
    let mut installed = Installed::start(3);
    installed.replace("#!/bin/sh\nexec sleep 1000\n", 0o755);
    installed.daemon.succeed();
    installed.daemon.wait_for("StartHangs");
    installed.daemon.wait_for("SuccessorFailed");
    installed.crash_is_served();
    installed.repair();
    installed.daemon.hand_over();
}

#[test]
fn crash_while_a_successor_hangs_is_served_and_another_attempt_replaces_it() {
    let mut installed = Installed::start(60);
    let worker = installed.daemon.id();
    installed.replace("#!/bin/sh\nexec sleep 1000\n", 0o755);
    installed.daemon.succeed();
    installed.daemon.wait_for_children(2);
    kill_process(Pid::from_raw(worker.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    installed.daemon.wait_for("StartHangs");
    installed.daemon.wait_for("ready");
    assert_eq!(draw(&installed.home.socket("a"), 300), 300);

    installed.daemon.succeed();
    installed.daemon.wait_for_children(2);
    installed.repair();
    installed.daemon.hand_over();
    assert_eq!(draw(&installed.home.socket("a"), 300), 300);
}

#[test]
fn worker_and_supervisor_that_are_killed_at_once_lose_no_vm() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&["-f", "pools.yaml"]);
    daemon.says(&["attach", "a=default"]);
    daemon.wait_until_kept(&home, |state| state["vms"]["a"].is_object());
    for _ in 0..3 {
        // As a memory limit does that ends a whole control group.
        daemon.kill_worker();
        daemon.kill_now();
        daemon = home.start(&["-f", "pools.yaml"]);
        assert_eq!(draw(&home.socket("a"), 300), 300);
    }
}

/// A service manager's socket.
struct Manager(UnixDatagram, PathBuf);

impl Manager {
    fn new(home: &Home) -> Self {
        let path = home.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket, path)
    }

    fn start(&self, home: &Home, args: &[&str]) -> Daemon {
        let mut command = home.run(args);
        command
            .env("NOTIFY_SOCKET", &self.1)
            .env("WATCHDOG_USEC", "200000")
            .env("ENTROPOOL_START_SECONDS", "1");
        Daemon::spawn(&mut command, home.path("run/api.sock"))
    }

    fn wait_for(&self, words: &str) {
        let mut state = [0; 64];
        while let length = self.0.recv(&mut state).unwrap()
            && &state[..length] != words.as_bytes()
        {}
    }

    fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        while self.0.recv(&mut [0; 64]).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
        self.0.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let silent = self.0.recv(&mut [0; 64]).is_err();
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }
}

#[test]
fn first_process_reports_to_the_service_managers_watchdog_while_it_works() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let manager = Manager::new(&home);
    let daemon = manager.start(&home, &["-f", "pools.yaml"]);
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    daemon.signal(Signal::STOP);
    assert!(manager.is_silent(), "a first process that stands still reports nothing");
    daemon.signal(Signal::CONT);
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn worker_that_hangs_in_its_start_is_replaced_until_one_serves() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut mount = HungMount::new(&home.path("hung"));
    let manager = Manager::new(&home);
    // The socket directory is one of those that a start looks at first.
    let sockets = home.path("hung/vm");
    let flags = ["-f", "pools.yaml", "--vm", "a=default", "--socket-dir", sockets.to_str().unwrap()];
    let mut daemon = manager.start(&home, &flags);
    for _ in 0..2 {
        let said = daemon.wait_for("StartHangs");
        assert!(said.contains("ERROR"), "{said}");
    }
    manager.wait_for("WATCHDOG=1");
    mount.end();
    daemon.wait_for("ready");
    assert_eq!(draw(&sockets.join("a/egd.sock"), 300), 300);
}

#[test]
fn process_that_says_hello_and_no_more_blocks_nobody() {
    let home = Home::new();
    home.write("pools.yaml", POOL);
    let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default"]);
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(home.path("run/handover.sock")).unwrap()).unwrap();
    send(&socket, b"H\0\x03", SendFlags::empty()).unwrap();
    daemon.says(&["attach", "b=default", "--namespace", "elsewhere"]);
    let said = daemon.wait_for("SuccessorNotPrepared");
    assert!(said.contains("continues to serve"), "{said}");
    daemon.hand_over();
    assert_eq!(draw(&home.socket("b"), 300), 300);
}
