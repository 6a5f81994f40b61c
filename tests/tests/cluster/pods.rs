//! A pod without a VM, by the inline volume.

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};
use crate::uninstall::OF_A_LIVING_ONE;

#[test]
fn a_pod_draws_at_the_rate_of_its_class_under_each_level_of_pod_security() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "slow", "", "ceil: 1Ki/s, cburst: \"512\"").unwrap();
    for (namespace, level) in [("levels-baseline", "baseline"), ("levels-restricted", "restricted")] {
        let tenant = Tenant::held_to(&cluster, namespace, level).unwrap();
        tenant.pod("reader", "slow", "slow").unwrap();
        tenant.ready("reader").unwrap();
        // 512 bytes are there, and 4 KiB take four seconds.
        let seconds = tenant.read("reader", 4096 + 512).unwrap();
        assert!((3.8..8.0).contains(&seconds), "{level}: {seconds}");
        tenant.delete("reader").unwrap();
    }
}

#[test]
fn nothing_is_left_of_a_pod_that_was_deleted() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "left", "", "perVM: {ceil: 1Ki/s}").unwrap();
    let tenant = Tenant::new(&cluster, "leftovers").unwrap();
    tenant.pod("reader", "left", "left").unwrap();
    tenant.ready("reader").unwrap();
    let drawer = tenant.drawer("reader", "left").unwrap();
    let while_it_lives = drawer.traces(&cluster).unwrap();
    for trace in OF_A_LIVING_ONE {
        assert!(while_it_lives.iter().any(|found| found == trace), "{trace}: {while_it_lives:?}");
    }
    // The agent mounts nothing: of the pod's mounts none is the volume.
    let mounts = cluster.on_node(&["grep", "-F", &drawer.uid, "/proc/mounts"]).unwrap();
    assert!(!mounts.contains("kubernetes.io~csi/entropy/mount "), "{mounts}");
    tenant.delete("reader").unwrap();
    drawer.until_gone(&cluster).unwrap();
}
