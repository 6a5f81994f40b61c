//! A VM whose class takes nothing degraded waits, and the time it waits is counted; and 0x00 of a VM that can have nothing is 0.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use agent::ManifestSet;
use dataplane::{AttachRequest, Client, LimitAt, PoolSnapshot, Simulated, SupplySpec};
use htb::Tick;
use source::PoolSpec;
use source::fake::{Fake, FakeBehaviour, FakeNode};
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;
const POOL: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: noise}
spec:
  sources: [{name: trng, device: {path: /dev/noise0}, minEntropyPerByte: \"8\", capacity: {perNode: 1M/s}}]
  output: Raw
  onSourceFailure: Degrade
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: strict}
spec: {pool: noise}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: lax}
spec: {pool: noise, allowDegraded: true}
";

/// A host with a VM in each class.
struct Host {
    dir: TempDir,
    fake: Fake,
    node: FakeNode,
    stage: Simulated,
}

impl Host {
    fn new() -> Self {
        Self::with(POOL)
    }

    fn with(manifests: &str) -> Self {
        let fake = Fake::new(1);
        let dir = tempfile::tempdir().unwrap();
        let (node, stage) = (FakeNode::new(std::slice::from_ref(&fake)), Simulated::new().unwrap());
        let mut host = Self { dir, fake, node, stage };
        host.node.now = SECOND;
        let mut book = ManifestSet::new([]);
        assert!(book.read(api::manifest::parse("pools.yaml", manifests)).refused.is_empty());
        let bell = host.stage.waker();
        let Self { node, stage, .. } = &mut host;
        let supply = |spec: &SupplySpec| {
            let SupplySpec::Sources { spec, .. } = spec else { panic!("a pool of noise") };
            let bell = bell.clone();
            Ok(node.supply_of(PoolSpec::clone(spec), &[0], move || bell.wake()))
        };
        stage.apply(agent::testing::pool_configs(book.config()).unwrap(), supply, Tick(SECOND)).unwrap();
        for class in ["strict", "lax"] {
            let attach = AttachRequest {
                id: class.to_owned(),
                namespace: "default".to_owned(),
                pool: "noise".to_owned(),
                class: Some(class.to_owned()),
                client: Client::Egd,
            };
            let socket = host.socket(class);
            host.stage.attach(attach, &socket, Tick(SECOND)).unwrap();
        }
        host
    }

    fn socket(&self, vm: &str) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(vm).join("egd.sock")
    }

    /// Lives until then.
    fn live_to(&mut self, second: u64) {
        let end = Tick(second * SECOND);
        loop {
            let supplied = self.node.run_until_idle().map(Tick);
            let turn = self.stage.step(Tick(self.node.now));
            if turn.batches > 0 {
                continue;
            }
            match supplied.into_iter().chain(turn.due).min().filter(|due| *due < end) {
                Some(due) => self.node.now = due.0,
                None if self.node.now == end.0 => return,
                None => self.node.now = end.0,
            }
        }
    }

    /// What 0x00 tells a client, in bits.
    fn level(&mut self, client: &mut UnixStream) -> u32 {
        client.write_all(&[0]).unwrap();
        self.live_to(self.node.now / SECOND + 1);
        let mut level = [0; 4];
        client.set_nonblocking(true).unwrap();
        client.read_exact(&mut level).unwrap();
        u32::from_be_bytes(level)
    }

    fn pool(&self) -> PoolSnapshot {
        self.stage.snapshot(Tick(self.node.now)).pools.swap_remove(0)
    }
}

#[test]
fn a_vm_that_was_kept_from_degraded_bytes_has_waited_all_the_time() {
    let mut host = Host::new();
    host.live_to(3);
    host.fake.set_behaviour(FakeBehaviour::Broken);
    let mut clients = ["strict", "lax"].map(|vm| UnixStream::connect(host.socket(vm)).unwrap());
    // What was made before goes first.
    clients[1].write_all(&[2, 255].repeat(100)).unwrap();
    host.live_to(5);
    clients[0].write_all(&[2, 64]).unwrap();
    host.live_to(9);
    let strict =
        |pool: &PoolSnapshot| pool.classes.iter().find(|class| class.name == "strict").unwrap().waits;
    let pool = host.pool();
    let waiting = pool.vms.iter().find(|vm| vm.id == "strict").unwrap().waiting.clone().unwrap();
    assert_eq!((waiting.since, waiting.limit), (Tick(5 * SECOND), LimitAt::Supply));
    assert_eq!(strict(&pool).count(), 0);

    host.fake.set_behaviour(FakeBehaviour::Good);
    host.node.retest_all("trng");
    host.live_to(11);
    let waits = strict(&host.pool());
    assert_eq!(waits.count(), 1, "64 bytes are one grant");
    assert!((4 * SECOND..6 * SECOND).contains(&waits.sum), "{} ns", waits.sum);
}

#[test]
fn level_is_zero_while_nothing_can_be_had() {
    for (policy, lax_degraded) in [("Hold", false), ("Degrade", true)] {
        let mut host =
            Host::with(&POOL.replace("onSourceFailure: Degrade", &format!("onSourceFailure: {policy}")));
        host.live_to(3);
        let [mut strict, mut lax, mut thief] =
            ["strict", "lax", "lax"].map(|vm| UnixStream::connect(host.socket(vm)).unwrap());
        assert!(host.level(&mut strict) > 0 && host.level(&mut lax) > 0, "{policy}");
        host.fake.set_behaviour(FakeBehaviour::Stuck(4));
        // The source fails when more of it is read, which voids what was made.
        thief.write_all(&[2, 255].repeat(20)).unwrap();
        host.live_to(host.node.now / SECOND + 3);
        assert_eq!(host.level(&mut strict), 0, "{policy}");
        assert_eq!(host.level(&mut lax) > 0, lax_degraded, "{policy}");
        host.fake.set_behaviour(FakeBehaviour::Good);
        host.node.retest_all("trng");
        host.live_to(host.node.now / SECOND + 3);
        assert!(host.level(&mut strict) > 0 && host.level(&mut lax) > 0, "{policy}");
    }
}
