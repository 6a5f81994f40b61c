//! A VM that moves between nodes while it runs.

use std::time::Duration;

use anyhow::{Result, ensure};
use entropool_tests::cluster::Kubernetes;
use entropool_tests::console::Count;
use soak::Run;

use crate::agents;
use crate::tenant::{Tenant, pool};
use crate::vm::{FLOOD, Vm, between, longest_wait, pace};

/// What a read may wait beyond the move itself.
const WAIT: Duration = Duration::from_millis(2500);
/// The move itself, by the guest's clock: the guest stands still for some of it, on a busy machine for longer.
const MOVE: Duration = Duration::from_secs(1);
const RATE: &str = "2Ki/s";
const WATCHED: Duration = Duration::from_secs(4);

/// A VM that always reads, on its way between the two nodes.
struct Traveller<'a> {
    cluster: &'a Kubernetes,
    vm: Vm<'a>,
}

impl<'a> Traveller<'a> {
    fn new(cluster: &'a Kubernetes) -> Result<Self> {
        cluster.kubevirt()?;
        cluster.second_node()?;
        may_draw(cluster, RATE)?;
        Tenant::held_to(cluster, "nomads", "baseline")?;
        let vm = Vm::create_on("", cluster, "nomads", "web", "entropool.io/pool: nomad", FLOOD)?;
        vm.up()?;
        // Its first bytes are its burst.
        vm.counts_for(Duration::from_secs(2))?;
        Ok(Self { cluster, vm })
    }

    /// Has `act` bring it to the other node, and gives what it counted on both.
    fn travel(&self, act: impl FnOnce(&str) -> Result<()>) -> Result<Vec<Count>> {
        let (home, source, since) = (self.vm.node()?, self.vm.pod()?, self.vm.counts()?.len() - 1);
        act(other(&home))?;
        let node = self.vm.node()?;
        ensure!(node == other(&home), "it is on {node} and not on {}", other(&home));
        self.vm.counts_across(&source, since, WATCHED)
    }

    /// The same by a migration, with something to do meanwhile.
    fn migrate(&self, name: &str, meanwhile: impl FnMut() -> Result<()>) -> Result<Vec<Count>> {
        self.travel(|_| {
            self.vm.depart(name)?;
            self.vm.arrive(name, meanwhile)
        })
    }

    /// By a migration, while the target's agent is killed over and over from when it has published the volume.
    fn migrate_while_the_agent_dies(&self, name: &str) -> Result<Vec<Count>> {
        let target = other(&self.vm.node()?).to_owned();
        let (mut kills, published) = (0_u32, ["sh", "-c", "ls /run/entropool/attachments"]);
        let counts = self.migrate(name, || {
            if !self.cluster.on(&target, &published)?.trim().is_empty() {
                agents::crash(self.cluster, &target)?;
                kills += 1;
            }
            Ok(())
        })?;
        println!("the target's agent was killed {kills} times");
        ensure!(kills > 0, "nobody was killed between publish and resume");
        Ok(counts)
    }

    /// By a migration before which nobody answers its read. On the target somebody does, by what a VM has at first.
    fn migrate_while_a_read_waits(&self, name: &str) -> Result<Vec<Count>> {
        may_draw(self.cluster, "64/20s")?;
        let (source, stands) = (self.vm.pod()?, |counts: &[Count]| counts.last().map(|count| count.bytes));
        self.vm.counts_for(WATCHED)?;
        self.travel(|_| {
            self.vm.depart(name)?;
            self.vm.arrive(name, || Ok(()))
        })?;
        let before = stands(&self.vm.counts_in(&source)?);
        let after = self.vm.counts()?;
        let answered = after.iter().find(|count| Some(count.bytes) > before);
        let wait = answered.map(|answered| between(&after[0], answered));
        println!("what was asked before the move was answered {wait:?} after it");
        ensure!(wait.is_some_and(|wait| wait < WAIT), "{wait:?} of {after:?}");
        may_draw(self.cluster, RATE)?;
        self.vm.counts_for(WATCHED)
    }

    /// By a migration for which the target has no agent at first: the VM goes on where it is until there is one.
    fn migrate_when_the_agent_is_back(&self, name: &str) -> Result<Vec<Count>> {
        let (home, pod) = (self.vm.node()?, self.vm.pod()?);
        agents::only_on(self.cluster, Some(&home))?;
        let counts = self.travel(|_| {
            self.vm.depart(name)?;
            let wait = longest_wait(&self.vm.counts_for_in(&pod, Duration::from_secs(10))?)?;
            ensure!(wait < MOVE, "a read waited for {wait:?} though nothing happened to its node");
            let phase = self.vm.phase(name)?;
            ensure!(phase != "Succeeded" && phase != "Failed" && self.vm.node()? == home, "{phase}");
            agents::everywhere(self.cluster)?;
            self.vm.arrive(name, || Ok(()))
        });
        agents::everywhere(self.cluster).and(counts)
    }

    /// By a drain of its node, which lets it go no other way, and takes what it counted there along with its pod.
    fn drain(&self, name: &str) -> Result<Vec<Count>> {
        // On the other node is everything else.
        if self.vm.node()? == "node1" {
            self.migrate(&format!("{name}-before"), || Ok(()))?;
        }
        let words = "drain node2 --ignore-daemonsets --delete-emptydir-data --force --timeout=60s";
        // KubeVirt 1.6's monitor of a launcher may miss that it has ended; then the drain waits for the pod in vain.
        if let Err(error) = self.cluster.said(words) {
            println!("the drain: {error:#}");
        }
        let counts = self.vm.counts_for(WATCHED);
        self.cluster.said("uncordon node2")?;
        ensure!(self.vm.node()? == "node1", "it has not moved");
        counts
    }
}

/// The class of its pool has that ceil from now on.
fn may_draw(cluster: &Kubernetes, ceil: &str) -> Result<()> {
    pool(cluster, "nomad", "defaultClass: nomad", &format!("ceil: {ceil}"))
}

fn other(node: &str) -> &'static str {
    if node == "node1" { "node2" } else { "node1" }
}

#[test]
fn a_vm_that_moves_back_and_forth_reads_on_at_its_classs_rate_whatever_happens_on_the_way() {
    let mut run = Run::begin("migrations", 2, 10);
    let cluster = Kubernetes::alone().unwrap();
    let traveller = Traveller::new(&cluster).unwrap();
    let mut longest = Duration::ZERO;
    for number in 0..run.count() {
        let name = format!("move-{number}");
        let (what, counts) = match number % 5 {
            0 => ("nothing happens", traveller.migrate(&name, || Ok(()))),
            1 => ("the target's agent dies", traveller.migrate_while_the_agent_dies(&name)),
            2 => ("a read waits", traveller.migrate_while_a_read_waits(&name)),
            3 => ("the target has no agent at first", traveller.migrate_when_the_agent_is_back(&name)),
            _ => ("its node is drained", traveller.drain(&name)),
        };
        let wait = longest_wait(&counts.unwrap()).unwrap();
        let pace = pace(&traveller.vm.counts_for(WATCHED).unwrap()).unwrap();
        println!("{what}: the longest wait was {wait:?}, then {pace:.0} bytes/s");
        assert!(wait < MOVE + WAIT, "{what}: {wait:?}");
        assert!((1900.0..2200.0).contains(&pace), "{what}: {pace} bytes/s");
        longest = longest.max(wait);
    }
    run.figure("longest_wait_ms", u64::try_from(longest.as_millis()).unwrap());
    traveller.vm.delete().unwrap();
}
