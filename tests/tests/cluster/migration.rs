//! A VM that moves between nodes while it runs.

use std::time::Duration;

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};
use crate::vm::{FLOOD, Vm, longest_wait, pace};

/// Beyond the move itself, which is about half a second by the guest's clock.
const WAIT: Duration = Duration::from_millis(2500);
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn a_vm_that_moves_back_and_forth_reads_on_at_its_classs_rate() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    cluster.second_node().unwrap();
    pool(&cluster, "nomad", "defaultClass: nomad", "ceil: 2Ki/s").unwrap();
    Tenant::held_to(&cluster, "nomads", "baseline").unwrap();
    let vm = Vm::create_on("", &cluster, "nomads", "web", "entropool.io/pool: nomad", FLOOD).unwrap();
    vm.up().unwrap();
    // Its first bytes are its burst.
    vm.counts_for(Duration::from_secs(2)).unwrap();
    let home = vm.node().unwrap();
    for (migration, returns) in [("out", false), ("back", true)] {
        let since = vm.counts().unwrap().len() - 1;
        let counts = vm.migrate(migration, since, WATCHED).unwrap();
        assert_eq!(vm.node().unwrap() == home, returns);
        let wait = longest_wait(&counts).unwrap();
        let pace = pace(&vm.counts_for(WATCHED).unwrap()).unwrap();
        println!("{migration}: the longest wait was {wait:?}, then {pace:.0} bytes/s");
        assert!(wait < WAIT, "{migration}: {wait:?}");
        assert!((1900.0..2200.0).contains(&pace), "{migration}: {pace} bytes/s");
    }
    vm.delete().unwrap();
}
