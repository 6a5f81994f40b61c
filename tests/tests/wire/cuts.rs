//! A daemon that is killed at each system call with which it saves its checkpoint.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use entropool_tests::process::Process;
use entropool_tests::{EgdClient, Host};
use rustix::process::{Signal, kill_process};

use crate::{OPEN, beside_others, host};

/// The calls of a save on its new file: what is killed at one has done all those before it, and not this one. What comes
/// after them is for a loss of power, of which `agent/tests/checkpoint` knows more.
const CALLS: [&str; 4] = ["open", "write", "fsync", "rename"];
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3_000;

/// A daemon, or what stands around it; ended with the value.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(host: &Host, command: &mut Command) -> Self {
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

    fn says(&self, text: &str) {
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

    fn process(&self) -> Process {
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
fn killed_at(host: &Host, call: &str) -> Command {
    let daemon = daemon(host);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).arg("-P").arg(host.state_dir().join("state.tmp"));
    command.args(["-e", &format!("trace={}", CALLS.join(",")), "-e", &format!("inject={call}:signal=KILL")]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    command
}

fn ask(host: &Host, words: &[&str]) -> String {
    let output = host.ask(words).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn vms(host: &Host) -> Vec<String> {
    let vms: serde_json::Value = serde_json::from_str(&ask(host, &["vms", "-o", "json"])).unwrap();
    vms["vms"].as_array().unwrap().iter().map(|vm| vm["name"].as_str().unwrap().to_owned()).collect()
}

/// Draws a byte as soon as somebody serves again.
fn draws(host: &Host, vm: &str) {
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

        let traced = Running::start(&host, &mut killed_at(&host, call));
        ask(&host, &["attach", "c=default/any,client=egd"]);
        traced.says("the worker died");
        draws(&host, "a");
        draws(&host, "b");
        let supervisor = traced.process().children().unwrap().pop().unwrap();
        let said = traced.end(supervisor);
        assert!(!said.contains("in the checkpoint"), "{call:?}: {said}");

        let after = Running::start(&host, &mut daemon(&host));
        assert_eq!(vms(&host), ["a", "b"], "{call:?}: nothing is new before it has its name, and all is old");
        let process = after.process();
        let said = after.end(process);
        assert!(!said.contains("in the checkpoint"), "{call:?}: {said}");
    }
}
