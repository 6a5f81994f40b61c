//! A daemon that is killed at each system call with which it saves its checkpoint.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use entropool_tests::process::Process;
use entropool_tests::{EgdClient, Host};
use rustix::process::{Signal, kill_process};

use crate::{OPEN, beside_others, host};

/// The calls of a save on its new file: what is killed at one has done all those before it, and not this one.
const CALLS: [&str; 4] = ["open", "write", "fsync", "rename"];
pub(crate) const LOOK: Duration = Duration::from_millis(20);
pub(crate) const LOOKS: u32 = 3_000;

/// A daemon, or what stands around it; ended with the value.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start(host: &Host, command: &mut Command) -> Self {
        let log = host.path().join("log");
        let said = File::create(&log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let running = Self { child: command.spawn().unwrap(), log };
        running.says("ready");
        running
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn says(&self, text: &str) {
        for _ in 0..LOOKS {
            if self.log().contains(text) {
                return;
            }
            sleep(LOOK);
        }
        panic!("it never said {text:?}, but:\n{}", self.log());
    }

    /// Asks `of` to end, and waits until the child has.
    fn end(mut self, of: Process) -> String {
        kill_process(of.pid().unwrap(), Signal::TERM).unwrap();
        for _ in 0..LOOKS {
            if self.child.try_wait().unwrap().is_some() {
                return self.log();
            }
            sleep(LOOK);
        }
        panic!("it does not end:\n{}", self.log());
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever is traced goes first: a tracer that is killed lets it go on.
        let traced = self.process().children().unwrap_or_default();
        for of in traced.into_iter().chain([self.process()]) {
            // It may have ended by itself.
            let _ = of.pid().map(|pid| kill_process(pid, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

/// The daemon, with a VM that the command line names.
fn daemon(host: &Host) -> Command {
    let mut command = host.run();
    command.args(["--vm", "a=default/any,client=egd"]);
    command
}

/// The same under a tracer that kills it at a system call on its checkpoint.
fn killed_at(host: &Host, on: &Path, how: &str) -> Command {
    let daemon = daemon(host);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).arg("-P").arg(on);
    command.args(["-e", &format!("trace={}", CALLS.join(",")), "-e", &format!("inject={how}")]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    command
}

pub(crate) fn ask(host: &Host, words: &[&str]) -> String {
    let output = host.ask(words).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn vms(host: &Host) -> Vec<String> {
    let vms: serde_json::Value = serde_json::from_str(&ask(host, &["vms", "-o", "json"])).unwrap();
    vms["vms"].as_array().unwrap().iter().map(|vm| vm["name"].as_str().unwrap().to_owned()).collect()
}

/// Draws a byte as soon as somebody serves again.
pub(crate) fn draws(host: &Host, vm: &str) {
    for _ in 0..LOOKS {
        if EgdClient::connect(&host.socket(vm)).and_then(|mut client| client.read(1)).is_ok() {
            return;
        }
        sleep(LOOK);
    }
    panic!("nobody serves {vm}");
}

#[test]
fn a_daemon_killed_at_each_call_of_a_save_serves_on_and_knows_all_that_was_saved_before() {
    let _machine = beside_others();
    for call in CALLS {
        let host = host(OPEN);
        let before = Running::start(&host, &mut daemon(&host));
        ask(&host, &["attach", "b=default/any,client=egd"]);
        let process = before.process();
        before.end(process);

        let traced = Running::start(
            &host,
            &mut killed_at(&host, &host.state_dir().join("state.tmp"), &format!("{call}:signal=KILL")),
        );
        // The save follows at once, so the worker may be killed before it has answered.
        let _ = host.ask(["attach", "c=default/any,client=egd"]).unwrap();
        traced.says("the worker died");
        draws(&host, "a");
        draws(&host, "b");
        let supervisor = traced.process().children().unwrap().pop().unwrap();
        let said = traced.end(supervisor);
        assert!(!said.contains("checkpoint warning"), "{call:?}: {said}");

        let after = Running::start(&host, &mut daemon(&host));
        assert_eq!(vms(&host), ["a", "b"], "{call:?}: nothing is new before it has its name, and all is old");
        let process = after.process();
        let said = after.end(process);
        assert!(!said.contains("checkpoint warning"), "{call:?}: {said}");
    }
}

/// The call after all those, on the directory, is for a loss of power, of which `agent/tests/checkpoint` knows more.
#[test]
fn a_daemon_killed_when_a_save_has_its_name_knows_what_was_saved() {
    let _machine = beside_others();
    let host = host(OPEN);
    // Each thread's first is let through: a start makes sure of what it reads.
    let traced = Running::start(&host, &mut killed_at(&host, &host.state_dir(), "fsync:signal=KILL:when=2+"));
    let mut saved = vec!["a"];
    for vm in ["b", "c", "d"] {
        // It is killed at one of them, sooner or later than anybody can say it.
        if !host.ask(["attach", &format!("{vm}=default/any,client=egd")]).unwrap().status.success() {
            break;
        }
        let slot = |name| fs::read(host.state_dir().join(name)).unwrap_or_default();
        let has = |name| String::from_utf8_lossy(&slot(name)).contains(&format!("\"{vm}\""));
        let mut looks = 0..LOOKS;
        while !has("state.a") && !has("state.b") {
            looks.next().expect("a VM that is attached is saved");
            sleep(LOOK);
        }
        saved.push(vm);
    }
    traced.says("the worker died");
    draws(&host, "a");
    assert_eq!(vms(&host), saved, "what had its name is known");
    let supervisor = traced.process().children().unwrap().pop().unwrap();
    let said = traced.end(supervisor);
    assert!(!said.contains("checkpoint warning"), "{said}");
}
