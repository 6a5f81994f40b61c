//! How long a pod waits for its directory, and its VM for the first bytes: printed, and bounded.
//!
//! The figures that are promised are asserted in `make soak`, which has the machine to itself; in `make test` a bound
//! that only something broken breaks.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use soak::Run;

use crate::kubelet::{Kubelet, Pod, client};
use crate::node::{Host, Node};

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a figure is measured")]
fn a_publish_is_quick_also_beside_many_volumes() {
    let mut run = Run::begin("csi-publish", 200, 1_000);
    let host = Host::new();
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let publish = |number: u64| {
        let pod = Pod::new(usize::try_from(number).unwrap());
        let begin = Instant::now();
        kubelet.publish(&pod).unwrap();
        begin.elapsed()
    };
    let mut times: Vec<Duration> = (0..run.count()).map(publish).collect();
    assert_eq!(node.vms().len(), times.len());
    times.sort();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    run.figure("medianMs", millis(median));
    run.figure("p99Ms", millis(p99));
    println!("{} volumes: a publish takes {median:?} (p99 {p99:?})", times.len());
    assert!(median < Duration::from_millis(100), "{median:?}");
    assert!(!run.is_long() || p99 <= Duration::from_millis(20), "{p99:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a figure is measured")]
fn many_vms_that_start_at_once_have_their_first_bytes_at_once() {
    let mut run = Run::begin("csi-first-bytes", 250, 250);
    let host = Host::new();
    let _node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let number = |at: u64| usize::try_from(at).unwrap();
    let targets: Vec<_> =
        (0..run.count()).map(|at| kubelet.publish(&Pod::new(number(at))).unwrap()).collect();
    let mut clients: Vec<UnixStream> =
        targets.iter().map(|target| client(&target.join("egd.sock")).unwrap()).collect();
    // As QEMU asks for 256 bytes: each request by itself.
    let mut asked = Vec::new();
    for client in &mut clients {
        asked.push(Instant::now());
        client.write_all(&[2, 255]).unwrap();
        client.write_all(&[2, 1]).unwrap();
    }
    let mut worst = Duration::ZERO;
    for (client, asked) in clients.iter_mut().zip(asked) {
        client.read_exact(&mut [0; 256]).unwrap();
        worst = worst.max(asked.elapsed());
    }
    run.figure("worstMs", millis(worst));
    println!("{} clients: the first 256 bytes within {worst:?}", clients.len());
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    assert!(!run.is_long() || worst <= Duration::from_millis(50), "{worst:?}");
}
