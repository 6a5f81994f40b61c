//! Pools that draw from more than the kernel.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Daemon, Home, draw};
use crate::upstream::{Behaviour, Upstream, random};

/// Long enough for anything that is to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const KEPT_WAITING: Duration = Duration::from_millis(300);

/// A manifest with one source.
fn pool(spec: &str, source: &str) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{{spec}, \
         sources: [{{name: noise, minEntropyPerByte: '8', {source}}}]}}}}\n"
    )
}

fn noise(home: &Home, bytes: &[u8]) -> PathBuf {
    let path = home.path("noise");
    fs::write(&path, bytes).unwrap();
    path
}

fn file(path: &Path) -> String {
    format!("file: {{path: {}}}", path.display())
}

/// The only source, once it is in this state.
fn once(daemon: &Daemon, state: &str) -> Value {
    // Each question takes some milliseconds, so this is patience for half a minute.
    for _ in 0..5_000 {
        let source = daemon.json(&["sources"])["sources"][0].clone();
        if source["state"] == state {
            return source;
        }
    }
    panic!("not {state}: {}", daemon.json(&["sources"]))
}

fn asked(socket: &Path, bytes: u8) -> UnixStream {
    let mut guest = connect(socket);
    guest.write_all(&[2, bytes]).unwrap();
    guest
}

/// A connection on which nothing waits for ever.
fn connect(socket: &Path) -> UnixStream {
    let guest = UnixStream::connect(socket).unwrap();
    guest.set_read_timeout(Some(PATIENCE)).unwrap();
    guest
}

/// Nothing comes for a while.
fn gets_nothing(guest: &mut UnixStream) {
    guest.set_read_timeout(Some(KEPT_WAITING)).unwrap();
    guest.read_exact(&mut [0]).unwrap_err();
    guest.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn tested_source_serves_in_every_output_mode() {
    for output in ["Stretched", "FullEntropy", "Raw"] {
        let home = Home::new();
        let path = noise(&home, &random(200_000));
        home.write("pools.yaml", &pool(&format!("output: {output}"), &file(&path)));
        let daemon = home.start(&["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"]);
        assert_eq!(draw(&home.socket("a"), 3_000), 3_000, "{output}");
        let pools = daemon.json(&["pools"]);
        assert_eq!(pools["pools"][0]["output"]["promised"], output);
        assert_eq!(pools["pools"][0]["output"]["serving"], "promised");
        assert_eq!(pools["pools"][0]["sourcesHealthy"], 1);
        let source = once(&daemon, "healthy");
        assert!(source["bytesCredited"].as_u64().unwrap() > 0, "{source}");
        assert!(daemon.says(&["sources"]).contains("healthy"));
    }
}

#[test]
fn pool_with_a_stuck_source_holds_until_a_retest_passes() {
    let home = Home::new();
    let path = noise(&home, &vec![0; 200_000]);
    home.write("pools.yaml", &pool("output: FullEntropy", &file(&path)));
    let mut daemon = home.start(&["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"]);
    let source = once(&daemon, "failed");
    assert_eq!(source["reason"], "RepetitionCount");
    assert!(source["failures"]["repetitionCount"].as_u64().unwrap() > 0, "{source}");

    let mut guest = asked(&home.socket("a"), 64);
    gets_nothing(&mut guest);
    let pools = daemon.json(&["pools"]);
    assert_eq!(pools["pools"][0]["output"]["serving"], "held");
    assert!(daemon.says(&["pools"]).contains("onSourceFailure: Hold"), "{}", daemon.says(&["pools"]));
    let why = "pool default holds: source noise failed (RepetitionCount); 0 of 1 sources are healthy";
    for verb in [&["pools"][..], &["explain", "a"]] {
        assert!(daemon.says(verb).contains(why), "{}", daemon.says(verb));
    }
    assert!(daemon.says(&["waiting"]).contains("the sources of pool default (held)"));
    assert_eq!(daemon.json(&["waiting"])["vms"][0]["binding"]["serving"], "held");

    fs::write(&path, random(400_000)).unwrap();
    gets_nothing(&mut guest);
    daemon.says(&["sources", "retest", "default/noise"]);
    guest.read_exact(&mut [0; 64]).unwrap();
    once(&daemon, "healthy");
    daemon.wait_for("serves what it promises");
    daemon.wait_for("source healthy");
}

#[test]
fn degraded_bytes_are_served_only_to_classes_that_allow_them() {
    let home = Home::new();
    let path = noise(&home, &vec![0; 200_000]);
    let class = |name: &str, more: &str| {
        format!(
            "---\n{{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: {name}}}, \
             spec: {{pool: default{more}}}}}\n"
        )
    };
    let manifest = pool("output: FullEntropy, onSourceFailure: Degrade", &file(&path))
        + &class("lax", ", allowDegraded: true")
        + &class("strict", "");
    home.write("pools.yaml", &manifest);
    let vms = ["--vm", "lax=default/lax", "--vm", "strict=default/strict"];
    let daemon = home.start(&[&["-f", "pools.yaml", "--allow-test-sources"], &vms[..]].concat());
    once(&daemon, "failed");
    let mut strict = asked(&home.socket("strict"), 64);
    assert_eq!(draw(&home.socket("lax"), 100_000), 100_000);
    gets_nothing(&mut strict);
    assert!(daemon.says(&["waiting"]).contains("the sources of pool default (degraded)"));
    let why = daemon.says(&["explain", "strict"]);
    assert!(why.contains("pool default is degraded: source noise failed (RepetitionCount)"), "{why}");
    assert!(daemon.says(&["pools"]).contains("FullEntropy (degraded)"));
    // A request that does not wait is told that there is nothing.
    let mut impatient = connect(&home.socket("strict"));
    impatient.write_all(&[1, 64]).unwrap();
    let mut count = [0xff];
    impatient.read_exact(&mut count).unwrap();
    assert_eq!(count, [0]);

    daemon.says(&["move", "strict", "lax"]);
    strict.read_exact(&mut [0; 64]).unwrap();
    daemon.says(&["move", "strict", "strict"]);
    strict.write_all(&[2, 64]).unwrap();
    gets_nothing(&mut strict);

    fs::write(&path, random(400_000)).unwrap();
    daemon.says(&["sources", "retest", "noise"]);
    strict.read_exact(&mut [0; 64]).unwrap();
}

#[test]
fn source_without_permission_is_not_opened_and_the_flag_is_named() {
    let home = Home::new();
    for (source, flag) in [
        ("file: {path: /tmp/noise}", "--allow-test-sources"),
        ("device: {path: /dev/trng0}", "--allow-device /dev/trng0"),
        ("egd: {tcp: 'localhost:708'}", "--allow-upstream localhost:708"),
        ("egd: {unix: /run/egd.sock}", "--allow-upstream /run/egd.sock"),
    ] {
        home.write("pools.yaml", &pool("output: FullEntropy", source));
        let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default"]);
        let found = once(&daemon, "failed");
        assert_eq!(found["reason"], "SourceNotPermitted");
        assert!(found["message"].as_str().unwrap().contains(flag), "{found}");
        assert!(daemon.says(&["sources"]).contains(flag));
        assert!(daemon.refuses(&["sources", "retest", "noise"]).contains("is not tested"));
        assert!(daemon.refuses(&["sources", "retest", "absent"]).contains("there is no source absent"));
        daemon.terminate();
    }
}

#[test]
fn full_entropy_comes_from_an_upstream_server() {
    let home = Home::new();
    let path = home.path("up.sock");
    let _upstream = Upstream::start(&path);
    let source = format!("egd: {{unix: {}}}", path.display());
    home.write("pools.yaml", &pool("output: FullEntropy", &source));
    let allowed = ["--allow-upstream", path.to_str().unwrap()];
    let daemon = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
    assert_eq!(draw(&home.socket("a"), 20_000), 20_000);
    let source = once(&daemon, "healthy");
    let credited = source["bytesCredited"].as_u64().unwrap();
    assert!(credited >= 20_000 / 32 * 40, "40 bytes of 8 bits for each 32: {source}");
}

#[test]
fn successor_takes_over_after_its_sources_passed_their_start_up_tests() {
    let home = Home::new();
    let path = home.path("up.sock");
    let upstream = Upstream::start(&path);
    let source = format!("egd: {{unix: {}}}", path.display());
    home.write("pools.yaml", &pool("output: FullEntropy", &source));
    let allowed = ["--allow-upstream", path.to_str().unwrap()];
    let mut daemon = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
    assert_eq!(draw(&home.socket("a"), 1_000), 1_000);
    // Of 1,024 samples the test takes: five answers.
    upstream.is(Behaviour::Slow);
    daemon.succeed();
    daemon.wait_for("took over");
    daemon.wait_for("ready");
    assert_eq!(daemon.json(&["sources"])["sources"][0]["state"], "healthy");
    assert_eq!(draw(&home.socket("a"), 64), 64);
}

#[test]
fn pool_switches_its_source_and_vms_stay_connected() {
    let home = Home::new();
    let path = noise(&home, &vec![0; 200_000]);
    home.write("pools.yaml", &pool("output: FullEntropy", &file(&path)));
    let mut daemon = home.start(&["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"]);
    let mut guest = asked(&home.socket("a"), 64);
    once(&daemon, "failed");
    gets_nothing(&mut guest);
    let kernel = pool("output: Stretched", "kernel: {}").replace("minEntropyPerByte: '8', ", "");
    home.write("pools.yaml", &kernel);
    daemon.wait_for("change in effect");
    guest.read_exact(&mut [0; 64]).unwrap();
    let sources = daemon.json(&["sources"]);
    assert_eq!(sources["sources"].as_array().unwrap().len(), 1);
    assert_eq!(sources["sources"][0]["kind"], "the kernel's generator");
}
