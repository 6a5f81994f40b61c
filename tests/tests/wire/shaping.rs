//! Who gets how much, measured at the clients.

use std::path::{Path, PathBuf};
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

fn sixteen_bytes_each_10_ms(socket: &Path) -> Vec<Duration> {
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

const PROMISED: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 64Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 16Ki/s, ceil: 16Ki/s, perVM: {rate: 1Ki/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: crowd}
spec: {pool: default}
";

/// What one gets that reads by 0x01, each time `every` after the last read began, or as soon as that was answered.
fn non_blocking(socket: &Path, bytes: u8, every: Duration, time: Duration) -> u64 {
    let mut client = EgdClient::connect(socket).unwrap();
    let (begin, mut got) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let asked = Instant::now();
        got += client.try_read(bytes).unwrap().len() as u64;
        // The pace is the load itself, so here time has to pass.
        thread::sleep(every.saturating_sub(asked.elapsed()));
    }
    got
}

#[test]
fn a_vm_that_reads_by_0x01_beside_floods_gets_what_it_is_assured() {
    let _machine = alone();
    let vms = ["gold-0", "gold-1", "gold-2", "gold-3"].map(|vm| format!("{vm}=default/gold"));
    let daemon = start(PROMISED, &[&vms[..], &["crowd-0=default/crowd".to_owned()]].concat());
    let floods = [sockets(&daemon, "gold", 2), sockets(&daemon, "crowd", 1)].concat();
    let readers = [("gold-2", Duration::ZERO), ("gold-3", Duration::from_millis(50))];

    let got = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&floods, 255, 1000, MEASURED).unwrap());
        let readers = readers.map(|(vm, every)| {
            let socket = daemon.socket(vm);
            scope.spawn(move || non_blocking(&socket, 64, every, MEASURED))
        });
        let got = readers.map(|reader| reader.join().unwrap());
        let flooded: u64 = flooding.join().unwrap().iter().map(|all| all.since(WARM_UP).bytes()).sum();
        assert!(flooded > 9 * (56 << 10), "the floods were too weak to disturb anybody: {flooded} bytes");
        got
    });

    println!("1 KiB/s by 0x01 beside floods: {got:?} bytes in {MEASURED:?}");
    let due = 10 * 1024 - 255;
    assert!(got.iter().all(|&got| got >= due), "{got:?}, and {due} are due to each");
}

#[test]
fn equals_share_a_ceiling_equally_by_either_kind_of_read() {
    let _machine = alone();
    let vms: Vec<_> = (0..8).map(|index| format!("vm-{index}=default/crowd")).collect();
    let daemon = start(EQUALS, &vms);
    let sockets = sockets(&daemon, "vm", 8);

    let shares: Vec<u64> = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&sockets[..4], 255, 1000, MEASURED).unwrap());
        let readers: Vec<_> = sockets[4..]
            .iter()
            .map(|socket| scope.spawn(move || non_blocking(socket, 255, Duration::ZERO, MEASURED)))
            .collect();
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        let flooded = flooding.join().unwrap();
        flooded.iter().map(|arrivals| arrivals.since(Duration::ZERO).bytes()).chain(read).collect()
    });

    let index = jain(&shares);
    println!("8 equals, half by 0x01: Jain {index:.6}, {shares:?}");
    assert!(index >= 0.999, "{index}: {shares:?}");
}

fn sockets(daemon: &Daemon, prefix: &str, count: usize) -> Vec<PathBuf> {
    (0..count).map(|index| daemon.socket(&format!("{prefix}-{index}"))).collect()
}
