//! Clients that write and do not read.

use std::io::Write;
use std::time::{Duration, Instant};

use entropool_tests::EgdClient;

use crate::{OPEN, alone, start};

const SLOW: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: slow}
spec: {pool: default, ceil: 64/s}
";

const REQUESTS: usize = 1_000_000;
const LONGEST_WRITE: Duration = Duration::from_millis(50);
const MOST_MEMORY: u64 = 16 * 1024;

#[test]
fn a_million_requests_without_tokens_block_nobody_and_cost_no_memory() {
    let _machine = alone();
    a_million_requests_without_a_read(SLOW, "slow");
}

#[test]
fn a_million_requests_into_a_full_socket_block_nobody_and_cost_no_memory() {
    let _machine = alone();
    a_million_requests_without_a_read(OPEN, "any");
}

fn a_million_requests_without_a_read(manifest: &str, class: &str) {
    let daemon = start(manifest, &[format!("first=default/{class}"), format!("second=default/{class}")]);
    // What a daemon needs once for all VMs is in use after the first.
    write_requests(&daemon.socket("first"), REQUESTS / 10);
    let before = daemon.process().unwrap().memory().unwrap();

    let (longest, mut client) = write_requests(&daemon.socket("second"), REQUESTS);

    let grown = daemon.process().unwrap().memory().unwrap().saturating_sub(before);
    println!("{REQUESTS} unread requests: longest write {longest:?}, {grown} bytes more memory");
    assert!(longest <= LONGEST_WRITE, "{longest:?}");
    assert!(grown <= MOST_MEMORY, "{grown} bytes");
    assert_eq!(client.receive(64).unwrap().len(), 64, "what it is owed still comes");
}

/// The longest of all writes, and the client, still connected.
fn write_requests(socket: &std::path::Path, count: usize) -> (Duration, EgdClient) {
    let client = EgdClient::connect(socket).unwrap();
    let mut stream = client.into_stream();
    let mut longest = Duration::ZERO;
    for _ in 0..count {
        let begin = Instant::now();
        stream.write_all(&[2, 255]).unwrap();
        longest = longest.max(begin.elapsed());
    }
    (longest, EgdClient::from(stream))
}
