//! Whatever becomes of a pool's sources: `pools`, `sources`, `waiting`, `explain` and the metrics tell the same story.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::support::{Daemon, Home};
use crate::upstream::{Behaviour, Upstream, random};

/// What is told of a source.
struct Story {
    state: &'static str,
    /// The state in the sentence about the pool.
    words: &'static str,
    reason: &'static str,
    /// The counter of the metrics that it shows in; none for a source that is not opened.
    counter: Option<&'static str>,
}

const FAILED: Story = Story { state: "failed", words: "failed", reason: "", counter: None };
const AWAY: Story =
    Story { state: "unavailable", words: "is unavailable", reason: "ReadError", counter: Some("lost") };

/// A daemon with one source, and a VM that is owed 64 bytes.
struct Stage {
    daemon: Daemon,
    _guest: UnixStream,
    _home: Home,
}

fn stage(home: Home, more: &str, source: &str, flags: &[&str]) -> Stage {
    home.write(
        "pools.yaml",
        &format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{output: \
             FullEntropy{more}, sources: [{{name: trng, minEntropyPerByte: '8', {source}}}]}}}}\n"
        ),
    );
    let fixed = ["-f", "pools.yaml", "--metrics", "0", "--vm", "a=default,client=egd"];
    let daemon = home.start(&[&fixed[..], flags].concat());
    let mut guest = UnixStream::connect(home.socket("a")).unwrap();
    guest.write_all(&[2, 64]).unwrap();
    Stage { daemon, _guest: guest, _home: home }
}

/// Looks again and again until all agree: while a source comes and goes, two looks may fall on either side.
fn eventually(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let mut last = String::new();
    // Each look takes three milliseconds or more, and a source that says nothing is given ten seconds.
    for _ in 0..20_000 {
        match look() {
            Ok(()) => return,
            Err(why) => last = why,
        }
    }
    panic!("{what}: {last}");
}

fn agree(is: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(what()) }
}

impl Stage {
    /// The pool serves nothing, or degraded bytes to nobody who waits here, and everybody says why in the same words.
    fn tells(&self, served: &str, story: &Story) {
        let daemon = &self.daemon;
        eventually(story.reason, || {
            let source = daemon.json(&["sources"])["sources"][0].clone();
            agree(source["state"] == story.state && source["reason"] == story.reason, || source.to_string())?;
            let pool = daemon.json(&["pools"])["pools"][0].clone();
            let sentence = pool["output"]["message"].as_str().unwrap_or_default().to_owned();
            let why = format!("source trng {} ({}); 0 of 1 sources are healthy", story.words, story.reason);
            agree(sentence.contains(&why) && pool["sourcesHealthy"] == 0, || pool.to_string())?;
            agree(pool["output"]["serving"] == served, || pool.to_string())?;
            let explained = daemon.says(&["explain", "a"]);
            agree(explained.contains(&format!("pool default {sentence}")), || explained)?;
            let waiting = daemon.says(&["waiting"]);
            agree(waiting.contains(&format!("the sources of pool default ({served})")), || waiting)?;
            self.measures(served, story)
        });
    }

    fn measures(&self, served: &str, story: &Story) -> Result<(), String> {
        let series = |name: &str, value: f64| {
            let found = self.daemon.series(name);
            agree(found == Some(value), || format!("{name} is {found:?}"))
        };
        series("entropool_source_up{pool=\"default\",source=\"trng\"}", 0.0)?;
        series("entropool_pool_sources_healthy{pool=\"default\"}", 0.0)?;
        for state in ["promised", "degraded", "held", "starting"] {
            let name = format!("entropool_pool_serving{{pool=\"default\",state=\"{state}\"}}");
            series(&name, if state == served { 1.0 } else { 0.0 })?;
        }
        series("entropool_vms_waiting{pool=\"default\",class=\"(default)\",limit=\"supply\"}", 1.0)?;
        let Some(test) = story.counter else { return Ok(()) };
        let name =
            format!("entropool_source_failures_total{{pool=\"default\",source=\"trng\",test=\"{test}\"}}");
        let failures = self.daemon.series(&name);
        agree(failures.is_some_and(|failures| failures >= 1.0), || format!("{name} is {failures:?}"))
    }
}

/// A stage whose source is a file of these bytes.
fn file(more: &str, bytes: &[u8]) -> Stage {
    let home = Home::new();
    let path = home.path("noise");
    fs::write(&path, bytes).unwrap();
    let source = format!("file: {{path: {}}}", path.display());
    stage(home, more, &source, &["--allow-test-sources"])
}

#[test]
fn missing_source() {
    let stage = stage(Home::new(), "", "file: {path: /nowhere/noise}", &["--allow-test-sources"]);
    stage.tells("held", &AWAY);
    assert!(stage.daemon.says(&["sources"]).contains("/nowhere/noise"));
}

#[test]
fn unreadable_source() {
    // A regular file that can be opened, and that has nothing at its start.
    let stage = stage(Home::new(), "", "file: {path: /proc/self/mem}", &["--allow-test-sources"]);
    stage.tells("held", &AWAY);
}

#[test]
fn source_without_permission() {
    let stage = stage(Home::new(), "", "device: {path: /dev/trng0}", &[]);
    stage.tells("held", &Story { reason: "SourceNotPermitted", ..FAILED });
}

#[test]
fn stuck_source() {
    let story = Story { reason: "RepetitionCount", counter: Some("repetition_count"), ..FAILED };
    file("", &vec![0; 100_000]).tells("held", &story);
}

#[test]
fn biased_source() {
    let biased: Vec<u8> = random(400_000).into_iter().map(|byte| byte & 0x07).collect();
    let story = Story { reason: "AdaptiveProportion", counter: Some("adaptive_proportion"), ..FAILED };
    file("", &biased).tells("held", &story);
}

#[test]
fn source_that_ends() {
    // Just what its start-up test takes.
    file("", &random(1024)).tells("held", &Story { reason: "EndOfFile", ..AWAY });
}

#[test]
fn stalled_source() {
    let home = Home::new();
    let path = home.path("up.sock");
    let upstream = Upstream::start(&path);
    upstream.is(Behaviour::Silent);
    let flags = ["--allow-upstream", path.to_str().unwrap()];
    let stage = stage(home, "", &format!("egd: {{unix: {}}}", path.display()), &flags);
    stage.tells("held", &Story { reason: "Stalled", ..AWAY });
    assert!(!upstream.has_answered());
}

#[test]
fn degraded_pool() {
    let story = Story { reason: "RepetitionCount", counter: Some("repetition_count"), ..FAILED };
    file(", onSourceFailure: Degrade", &vec![0; 100_000]).tells("degraded", &story);
}

#[test]
fn pool_that_keeps_its_promise() {
    let stage = file("", &random(200_000));
    let daemon = &stage.daemon;
    eventually("it serves", || {
        let pool = daemon.json(&["pools"])["pools"][0].clone();
        agree(pool["output"]["message"] == Value::Null && pool["sourcesHealthy"] == 1, || pool.to_string())?;
        let up = daemon.series("entropool_source_up{pool=\"default\",source=\"trng\"}");
        agree(up == Some(1.0), || format!("{up:?}"))?;
        let waiting = daemon.says(&["waiting"]);
        agree(waiting == "No VM is waiting.\n", || waiting)
    });
    assert_eq!(
        daemon.series("entropool_class_served_bytes_total{pool=\"default\",class=\"(default)\"}"),
        Some(64.0)
    );
    assert_eq!(daemon.http("/healthz").0, 200);
    assert_eq!(daemon.http("/readyz").0, 200);
}
