//! A manifest that changes under a running daemon.

use std::time::Duration;

use entropool_tests::Daemon;
use entropool_tests::greedy_clients::flood;

use crate::{alone, start};

fn manifest(ceil: &str) -> String {
    format!(
        "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {{name: default}}
spec: {{rate: 64Ki/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: narrow}}
spec: {{pool: default, ceil: {ceil}}}
"
    )
}

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

#[test]
fn a_good_change_applies_to_vms_that_are_there() {
    let _machine = alone();
    let daemon = start(&manifest("4000/s"), &["a=default/narrow"]);
    assert_rate(&daemon, 4000);

    daemon.host().rewrite(&manifest("16000/s")).unwrap();
    daemon.wait_for("narrow").unwrap();
    assert_rate(&daemon, 16_000);
}

#[test]
fn a_bad_change_is_told_and_the_last_good_goes_on() {
    let _machine = alone();
    let daemon = start(&manifest("4000/s"), &["a=default/narrow"]);

    for (wrong, word) in [("64kbit/s", "bit"), ("0/s", "omit"), ("[", "pools.yaml")] {
        daemon.host().rewrite(&manifest(wrong)).unwrap();
        daemon.wait_for(word).unwrap();
    }
    assert_rate(&daemon, 4000);

    daemon.host().rewrite(&manifest("8000/s")).unwrap();
    daemon.wait_for("narrow").unwrap();
    assert_rate(&daemon, 8000);
}

fn assert_rate(daemon: &Daemon, rate: u64) {
    let all = flood(&[daemon.socket("a")], 64, 1000, WARM_UP + MEASURED).unwrap();
    let bytes = all[0].since(WARM_UP).bytes();
    let expected = rate * MEASURED.as_secs();
    assert!(bytes.abs_diff(expected) * 50 <= expected, "{bytes} bytes in {MEASURED:?} of {expected}");
}
