//! The health of a source is stored by its identity: whatever happens to the daemon, its pools and the host.

use std::fs;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;
use soak::Run;

use crate::host_clone::{CLONED, kernel_says};
use crate::support::{Daemon, Home, draw};
use crate::upstream::{Behaviour, Upstream, random};

const NETWORK: &[u8] =
    b"add@/devices/virtual/net/veth0\0ACTION=add\0DEVPATH=/devices/virtual/net/veth0\0SUBSYSTEM=net\0INTERFACE=veth0\0";
const FAILED_AND_HEALTHY: [&str; 2] = ["failed", "healthy"];

/// What happens to a source that has failed.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Crash,
    Upgrade,
    Edit,
    Clone,
    Uevents,
}

/// A daemon with a pool of a source that has failed, and one of a source that has not.
struct Host {
    daemon: Daemon,
    failing: Upstream,
    home: Home,
    /// How often each disturbance happened; every other time it is one of another kind.
    count: [u64; 5],
}

impl Host {
    fn start() -> Self {
        let home = Home::new();
        let (failing, good) =
            (Upstream::start(&home.path("bad.sock")), Upstream::start(&home.path("good.sock")));
        good.is(Behaviour::Good);
        failing.is(Behaviour::Stuck);
        write_pools(&home, 0);
        let mut host = Self { daemon: start(&home), failing, home, count: [0; 5] };
        // Each question takes some milliseconds.
        let has_failed = (0..5_000).any(|_| host.states()[0]["state"] == "failed");
        assert!(has_failed, "{:#?}", host.states());
        host.failing.is(Behaviour::Good);
        host.stays_so("it failed");
        host
    }

    fn states(&self) -> Vec<Value> {
        self.daemon.json(&["sources"])["sources"].as_array().unwrap().clone()
    }

    /// The one source has failed for the same reason, and the other one is healthy.
    fn stays_so(&mut self, after: &str) {
        // Each question takes some milliseconds, and a start-up test not much longer.
        for _ in 0..5_000 {
            let sources = self.states();
            assert_eq!(sources[0]["state"], "failed", "after {after}: {sources:#?}");
            assert_eq!(sources[0]["reason"], "RepetitionCount", "after {after}: {sources:#?}");
            if sources[1]["state"] == "healthy" {
                return;
            }
        }
        panic!("the other source is not healthy after {after}: {:#?}", self.states());
    }

    fn disturb(&mut self, disturbance: Disturbance, uevents: u64) {
        let count = &mut self.count[disturbance as usize];
        *count += 1;
        let (every_other, edit) = (count.is_multiple_of(2), *count);
        match disturbance {
            Disturbance::Crash if every_other => {
                let worker = Pid::from_raw(self.daemon.id().cast_signed()).unwrap();
                kill_process(worker, Signal::KILL).unwrap();
                self.daemon.wait_for("ready");
            }
            Disturbance::Crash => self.start_again(Daemon::kill_now),
            Disturbance::Upgrade if every_other => self.daemon.hand_over(),
            Disturbance::Upgrade => self.start_again(|daemon| {
                daemon.terminate();
            }),
            Disturbance::Edit => {
                write_pools(&self.home, edit);
                self.daemon.wait_for("change in effect");
            }
            Disturbance::Clone => {
                kernel_says(CLONED);
                self.daemon.wait_for("this host was cloned or restored");
            }
            Disturbance::Uevents => {
                let before = self.states();
                for _ in 0..uevents {
                    kernel_says(NETWORK);
                }
                let after = self.states();
                assert_eq!([&after[0]["state"], &after[1]["state"]], FAILED_AND_HEALTHY);
                for (before, after) in before.iter().zip(&after) {
                    let since = |source: &Value| source["seconds"].as_f64().unwrap();
                    assert!(since(after) >= since(before), "its state has changed: {before:#?} {after:#?}");
                }
            }
        }
        self.stays_so(&format!("{disturbance:?} {edit}"));
    }

    fn start_again(&mut self, end: impl FnOnce(&mut Daemon)) {
        end(&mut self.daemon);
        self.daemon = start(&self.home);
    }
}

fn start(home: &Home) -> Daemon {
    let (bad, good) = (home.path("bad.sock"), home.path("good.sock"));
    let upstreams = [&bad, &good].map(|path| path.to_str().unwrap().to_owned());
    let allow = ["--allow-upstream", &*upstreams[0], "--allow-upstream", &*upstreams[1]];
    home.start(&[&["-f", "pools.yaml", "--vm", "a=good"], &allow[..]].concat())
}

/// Two pools; each edit changes all that can be changed and leaves the source what it is.
fn write_pools(home: &Home, edit: u64) {
    let at = |index: u64, all: &[&'static str]| all[usize::try_from(index).unwrap() % all.len()];
    let source = |name: &str, claim: &str, socket: &str| {
        format!(
            "{{name: {name}, minEntropyPerByte: '{claim}', egd: {{unix: {}}}}}",
            home.path(socket).display()
        )
    };
    let pool = |name: &str, output: &str, source: &str| {
        format!(
            "---\n{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: {name}}}, spec: {{output: \
             {output}, sources: [{source}]}}}}\n"
        )
    };
    let bad = source(at(edit, &["noise", "renamed"]), at(edit, &["8", "7.5", "6", "2", "0.5"]), "bad.sock");
    let output = at(edit, &["FullEntropy", "Stretched", "FullEntropy"]);
    let good = source("good", "8", "good.sock");
    home.write("pools.yaml", &(pool("bad", output, &bad) + &pool("good", "FullEntropy", &good)));
}

#[test]
fn a_failed_source_stays_failed_until_it_passes_a_retest() {
    let test = || {
        let mut run = Run::begin("failed-sources", 4, 200);
        // SAFETY: only this thread goes into another namespace, and it shares no table of descriptors that changes by it.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("a network namespace of its own: run as root");
        let mut host = Host::start();
        let (crashes, long) = (run.count(), run.is_long());
        let uevents = if long { 20_000 } else { 2_000 };
        let counts =
            [crashes, crashes.div_ceil(4).max(2), crashes.div_ceil(4).max(2), if long { 5 } else { 1 }];
        let [crash, upgrade, edit, clone] = counts;
        let floods = clone;
        let mut all: Vec<_> = [
            (Disturbance::Crash, crash),
            (Disturbance::Upgrade, upgrade),
            (Disturbance::Edit, edit),
            (Disturbance::Clone, clone),
            (Disturbance::Uevents, floods),
        ]
        .into_iter()
        .flat_map(|(disturbance, count)| (0..count).map(move |_| disturbance))
        .collect();
        let mut dice = run.dice();
        while !all.is_empty() {
            let next = usize::try_from(dice.below(all.len() as u64)).unwrap();
            host.disturb(all.swap_remove(next), uevents);
        }
        let figures = [crash, upgrade, edit, clone, floods * uevents];
        for (name, figure) in ["crashes", "upgrades", "edits", "clones", "uevents"].into_iter().zip(figures) {
            run.figure(name, figure);
        }
        host.retest_until_it_passes();
    };
    thread::spawn(test).join().unwrap();
}

impl Host {
    fn retest_until_it_passes(mut self) {
        let name = self.states()[0]["name"].as_str().unwrap().to_owned();
        let retest = ["sources", "retest", &*name, "--wait"];
        self.failing.is(Behaviour::Stuck);
        let failed = self.daemon.ask(&retest);
        let said = String::from_utf8(failed.stdout).unwrap();
        assert!(
            said.starts_with(&format!("bad/{name}: failed: RepetitionCount: the same byte came")),
            "{said}"
        );
        assert_eq!(String::from_utf8(failed.stderr).unwrap(), "entropool: one source failed its retest\n");
        assert_eq!(failed.status.code(), Some(1));
        self.failing.is(Behaviour::Good);
        self.disturb(Disturbance::Crash, 0);
        assert_eq!(self.daemon.says(&retest), format!("bad/{name}: passed\n"));
        // At once: the verdict is stored before it is given.
        self.start_again(Daemon::kill_now);
        for _ in 0..5_000 {
            let source = self.states().remove(0);
            assert_ne!(source["state"], "failed", "{source:#?}");
            if source["state"] == "healthy" {
                return;
            }
        }
        panic!("not healthy: {:#?}", self.states());
    }
}

const FILE: [&str; 5] = ["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"];

/// A home with one source, a file in which nine bytes are equal: an intermittent alarm of a source of full entropy.
fn nine_equal_bytes() -> Home {
    let home = Home::new();
    let path = home.path("noise");
    let mut bytes = random(400_000);
    let byte = bytes[5_000] ^ 1;
    bytes[5_001..5_010].fill(byte);
    bytes[5_010] = byte ^ 1;
    fs::write(&path, bytes).unwrap();
    home.write(
        "pools.yaml",
        &format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{output: \
             FullEntropy, sources: [{{name: noise, minEntropyPerByte: '8', file: {{path: {}}}}}]}}}}\n",
            path.display()
        ),
    );
    home
}

/// What `check` prints once the daemon has answered and the text is so.
fn check(daemon: &Daemon, home: &Home, text: &str) {
    let state = home.path("state");
    let mut last = String::new();
    for _ in 0..2_000 {
        let output = daemon.ask(&["check", "--state-dir", state.to_str().unwrap()]);
        last = String::from_utf8(output.stdout).unwrap();
        if last.contains(text) {
            return;
        }
    }
    panic!("check does not say {text:?}: {last}");
}

#[test]
fn alarms_are_shown_and_counted_over_restarts() {
    let home = nine_equal_bytes();
    for count in 1..=3 {
        let mut daemon = home.start_with(&FILE, "health test failed");
        // What is logged is stored, and the alarms of other processes are not logged again.
        daemon.kill_now();
        let logged = daemon.started();
        assert!(logged.contains(&format!("ordinal={count}")) && logged.contains("count=9"), "{logged}");
        let stored = fs::read_to_string(home.path("state/source-health.json")).unwrap();
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored["alarms"][0]["total"], count, "{stored:#}");
    }
    let daemon = home.start(&FILE);
    let source = daemon.json(&["sources"])["sources"][0].clone();
    assert_eq!(source["state"], "failed", "three alarms are a failure: {source:#}");
    let alarms = source["alarms"].as_array().unwrap();
    let shown: Vec<_> = alarms.iter().map(|alarm| (&alarm["test"], &alarm["count"])).collect();
    assert_eq!(shown, [(&Value::from("RepetitionCount"), &Value::from(9)); 3]);
    let table = daemon.says(&["sources"]);
    assert!(table.contains("LAST ALARM") && table.contains("RepetitionCount "), "{table}");
    check(&daemon, &home, "its last alarm was ");
    check(&daemon, &home, "run `entropool sources retest default/noise --wait`");
}

#[test]
fn an_alarm_of_a_source_that_recovered_is_a_warning_of_check() {
    let home = nine_equal_bytes();
    let daemon = home.start(&FILE);
    check(&daemon, &home, "source noise of pool default raised 1 of the 3 alarms that take it out");
}

#[test]
fn health_that_cannot_be_stored_is_reported_and_the_pool_serves() {
    let home = nine_equal_bytes();
    fs::create_dir_all(home.path("state/source-health.lock")).unwrap();
    fs::write(home.path("state/source-health.json"), "{").unwrap();
    let mut daemon = home.start_with(&FILE, "failures of sources before this start are unknown");
    daemon.wait_for("failed to write the health of sources");
    check(&daemon, &home, "a restart forgets which sources failed");
    assert_eq!(draw(&home.socket("a"), 1_000), 1_000);
    fs::remove_dir(home.path("state/source-health.lock")).unwrap();
    daemon.wait_for("health of sources writable again");
    daemon.kill_now();
    let daemon = home.start(&FILE);
    assert_eq!(daemon.json(&["sources"])["sources"][0]["alarms"][0]["ordinal"], 1);
}
