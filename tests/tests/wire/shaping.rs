//! Who gets how much, measured at the clients.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use entropool_tests::arrivals::jain;
use entropool_tests::greedy_clients::flood;
use entropool_tests::{Daemon, EgdClient};

use crate::{alone, start};

const ONE_REQUEST: f64 = 255.0;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(10);

const ONE_LEAF: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 64Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: narrow}
spec: {pool: default, rate: 8000/s, ceil: 8000/s, perVM: {rate: 8000/s, ceil: 8000/s}}
";

#[test]
fn a_flooding_leaf_gets_its_rate_in_every_window() {
    let _machine = alone();
    let daemon = start(ONE_LEAF, &["a=default/narrow"]);

    let all = flood(&[daemon.socket("a")], 255, 1000, WARM_UP + MEASURED).unwrap();

    let found = all[0].since(WARM_UP).deviation(8000.0);
    println!("8000/s: {:.0} bytes above, {:.0} below in the worst windows", found.above, found.below);
    assert!(found.above <= ONE_REQUEST && found.below <= ONE_REQUEST, "{found:?}");
}

const EQUALS: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: crowd}
spec: {pool: default, ceil: 32Ki/s}
";

#[test]
fn sixteen_equals_share_a_ceiling_equally() {
    let _machine = alone();
    let vms: Vec<_> = (0..16).map(|index| format!("vm-{index}=default/crowd")).collect();
    let daemon = start(EQUALS, &vms);

    let all = flood(&sockets(&daemon, "vm", 16), 64, 1000, WARM_UP + MEASURED).unwrap();

    let shares: Vec<_> = all.iter().map(|arrivals| arrivals.since(WARM_UP).bytes()).collect();
    let (index, sum) = (jain(&shares), shares.iter().sum::<u64>());
    println!("16 equals: Jain {index:.6}, {sum} bytes in {MEASURED:?} of 327680");
    assert!(index >= 0.9999, "{index}: {shares:?}");
    assert!((327_680 - 16 * 64..=327_680 + 16 * 64).contains(&sum), "{sum}");
}

const CROWDED: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1Mi/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: steady}
spec: {pool: default, rate: 16Ki/s, perVM: {rate: 4Ki/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: crowd}
spec: {pool: default, rate: 512Ki/s}
";

#[test]
fn a_modest_vm_does_not_notice_two_hundred_floods() {
    let _machine = alone();
    let mut vms: Vec<_> = (0..200).map(|index| format!("vm-{index}=default/crowd")).collect();
    vms.push("modest=default/steady".to_owned());
    let daemon = start(CROWDED, &vms);
    let crowd = sockets(&daemon, "vm", 200);

    let flooding = thread::spawn(move || flood(&crowd, 255, 200, WARM_UP + MEASURED).unwrap());
    let mut waits = sixteen_bytes_each_10_ms(&daemon.socket("modest"));
    let flooded: u64 = flooding.join().unwrap().iter().map(|arrivals| arrivals.since(WARM_UP).bytes()).sum();

    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    println!("16 bytes each 10 ms beside 200 floods: median {:?}, p99 {p99:?}", waits[waits.len() / 2]);
    assert!(p99 <= Duration::from_millis(5), "{p99:?}");
    assert!(
        flooded > 9 << 20,
        "the floods were too weak to disturb anybody: {flooded} bytes in {MEASURED:?}"
    );
}

fn sixteen_bytes_each_10_ms(socket: &std::path::Path) -> Vec<Duration> {
    let mut client = EgdClient::connect(socket).unwrap();
    let begin = Instant::now() + WARM_UP;
    let turns = (0..900).map(|turn| begin + turn * Duration::from_millis(10));
    let wait = |turn: Instant| {
        // The pace is the load itself, so here time has to pass.
        thread::sleep(turn.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        client.read(16).unwrap();
        asked.elapsed()
    };
    turns.map(wait).collect()
}

const TWO_CLASSES: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 32Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, weight: 300}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: bronze}
spec: {pool: default, weight: 100}
";

#[test]
fn what_one_class_leaves_the_other_borrows_and_gives_back() {
    let _machine = alone();
    let daemon = start(TWO_CLASSES, &["g=default/gold", "b=default/bronze"]);

    let alone = flood(&[daemon.socket("b")], 64, 100, Duration::from_secs(4)).unwrap();
    let both = flood(&[daemon.socket("g"), daemon.socket("b")], 64, 100, Duration::from_secs(6)).unwrap();

    let borrowed = alone[0].since(WARM_UP).bytes();
    assert!((97_000..=100_000).contains(&borrowed), "{borrowed} of 98304");
    let [gold, bronze] = [0, 1].map(|index| both[index].since(WARM_UP).bytes());
    println!("300 to 100: {gold} and {bronze} bytes");
    assert!((gold * 100).abs_diff(bronze * 300) * 100 <= gold * 100 * 2, "{gold} to {bronze}");
}

fn sockets(daemon: &Daemon, prefix: &str, count: usize) -> Vec<PathBuf> {
    (0..count).map(|index| daemon.socket(&format!("{prefix}-{index}"))).collect()
}
