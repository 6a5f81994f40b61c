//! Tenants that mean harm, each beside ninety-nine that do not. `docs/threats.md` is the table of them.

mod attack;
mod attackers;
mod first_attack;
mod honest_clients;
mod report;
mod watcher;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use entropool_tests::{Daemon, EgdClient};
use serde_json::Value;
use soak::Run;

use crate::{alone, host};
use attack::{ACTS, Attack, collusion};
use first_attack::First;
use honest_clients::HonestClients;
use report::{Row, Verdict};
use watcher::Watcher;

const HONEST: usize = 99;

/// What each honest VM is assured, and not more.
const RATE: u64 = 3_200;

/// Looks at each attack: it is felt when it is in all of them. A machine does other things, some of which no priority
/// keeps away, such as interrupts and the disk.
const ATTEMPTS: usize = 3;

const WARM_UP: Duration = Duration::from_millis(400);
/// Without the attack, before it and after it: it is compared with the better of the two.
const QUIET: Duration = Duration::from_millis(800);

/// A hundred honest places with a rate of their own, and a class that lives on what is left.
const MANIFEST: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 4Mi/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: honest}
spec: {pool: default, rate: 320000/s, perVM: {rate: 3200/s, ceil: 3200/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: others}
spec: {pool: default, rate: 256Ki/s, perVM: {ceil: 64Ki/s}}
";

#[test]
fn no_attack_is_felt_by_ninety_nine_honest_vms() {
    let _machine = alone();
    let first = First::go();
    let mut run = Run::begin("attacks", 2, 300);
    let period = Duration::from_secs(run.count());
    let crowd = if run.is_long() { 250 } else { 24 };
    let stage = Stage::set(crowd, if first.is_some() { 1 } else { crowding() });
    let mut honest = HonestClients::connect((0..HONEST).map(|vm| stage.socket(&format!("honest-{vm}"))));

    let mut rows: Vec<_> = ACTS.iter().map(|act| stage.play(&mut honest, act, period)).collect();
    rows.push(stage.play(&mut honest, &collusion(&stage.crowd()), period));

    println!("{}", report::table(&rows));
    for row in &rows {
        run.figure(row.name, row.summary());
    }
    let felt: Vec<_> = rows.iter().filter_map(Row::complaint).collect();
    assert!(felt.is_empty(), "{}", felt.join("\n"));
    stage.check_limits();
}

/// A daemon with everybody attached.
struct Stage {
    daemon: Daemon,
    watcher: Watcher,
    crowd: usize,
    crowding: u32,
}

impl Stage {
    fn set(crowd: usize, crowding: u32) -> Self {
        let honest = (0..HONEST).map(|vm| format!("honest-{vm}=default/honest,client=egd"));
        let acts = ACTS.iter().map(|act| format!("{}=default/others,client=qemu", act.name));
        let crowd_of = (0..crowd).map(|vm| format!("crowd-{vm}=default/others,client=qemu"));
        let aside = ["aside=default/others,client=egd".to_owned()];
        let vms: Vec<_> = honest.chain(acts).chain(crowd_of).chain(aside).collect();
        let daemon = Daemon::start(host(MANIFEST), &vms).unwrap();
        let watcher = Watcher::start(daemon.host());
        println!("{crowding} runnable threads for each processor count");
        Self { daemon, watcher, crowd, crowding }
    }

    fn socket(&self, vm: &str) -> PathBuf {
        self.daemon.socket(vm)
    }

    fn crowd(&self) -> Vec<PathBuf> {
        (0..self.crowd).map(|vm| self.socket(&format!("crowd-{vm}"))).collect()
    }

    /// The honest VMs without the attack, then with it.
    fn play(&self, honest: &mut HonestClients, act: &Attack, period: Duration) -> Row {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let row = self.look(honest, act, period);
            if row.complaint().is_none() {
                return row;
            }
            println!("{}: looked at again, since {:?}", act.name, row.complaint());
            last = Some(row);
        }
        last.unwrap()
    }

    fn look(&self, honest: &mut HonestClients, act: &Attack, period: Duration) -> Row {
        let before = honest.measure(WARM_UP, QUIET);
        let (descriptors, over) =
            (self.daemon.process().unwrap().descriptors().unwrap(), AtomicBool::new(false));
        let level = self.level_aside();
        let place = self.socket(act.name);
        let mut verdict = thread::scope(|scope| {
            let attack = scope.spawn(|| act.play(&place, &over));
            self.watcher.forget();
            let during = honest.measure(WARM_UP, period);
            let verdict = Verdict {
                quiet: before.p99(),
                during,
                api: self.watcher.longest(),
                memory: self.daemon.process().unwrap().resident().unwrap(),
                descriptors: self
                    .daemon
                    .process()
                    .unwrap()
                    .descriptors()
                    .unwrap()
                    .saturating_sub(descriptors),
                level_stays: self.level_aside() == level,
            };
            over.store(true, Ordering::Relaxed);
            attack.join().unwrap();
            verdict
        });
        verdict.quiet = verdict.quiet.min(honest.measure(WARM_UP, QUIET).p99());
        Row { name: act.name, what: act.what, connections: act.connections, crowding: self.crowding, verdict }
    }

    /// What a VM that draws nothing is told by 0x00.
    fn level_aside(&self) -> u32 {
        EgdClient::connect(&self.socket("aside")).unwrap().level().unwrap()
    }

    /// That the attacks were what they seem: each met the limit that is there for it.
    fn check_limits(&self) {
        for act in ACTS.iter().filter(|act| !act.meets.is_empty()) {
            let met: Vec<_> = act.meets.iter().map(|limit| (*limit, self.curb(act.name, limit))).collect();
            assert!(met.iter().all(|(_, count)| *count > 0), "{} met {met:?}", act.name);
        }
    }

    fn curb(&self, vm: &str, limit: &str) -> u64 {
        let output = self.daemon.host().ask(["explain", vm, "-o", "json"]).unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["vm"]["limitHits"][limit].as_u64().unwrap()
    }
}

/// What others do on this machine: its load for each processor, rounded up.
fn crowding() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let processors = u32::try_from(thread::available_parallelism().unwrap().get()).unwrap();
    (1..1_000).find(|&crowding| load <= f64::from(crowding * processors)).unwrap()
}
