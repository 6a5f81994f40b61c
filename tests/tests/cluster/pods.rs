//! A pod without a VM, by the inline volume.

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};

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
    let uid = tenant.uid("reader").unwrap();
    let traces = || {
        let look = format!(
            "ls -d /var/lib/kubelet/pods/{uid} 2>/dev/null; grep -rl {uid} /run/entropool/csi; grep {uid} /proc/mounts; true"
        );
        cluster.on_node(&["sh", "-c", &look]).unwrap() + &cluster.ask(&["vms", "-o", "json"]).unwrap()
    };
    let while_it_lives = traces();
    assert_eq!(while_it_lives.matches(&uid).count(), 3 + mounts(&while_it_lives, &uid), "{while_it_lives}");
    // The agent mounts nothing: of the pod's mounts none is the volume.
    assert!(!while_it_lives.contains("kubernetes.io~csi/entropy/mount "), "{while_it_lives}");
    tenant.delete("reader").unwrap();
    cluster.until("nothing left", |_| Ok((!traces().contains(&uid)).then_some(()))).unwrap();
}

/// Those that the kubelet makes for the pod itself, such as that of its token.
fn mounts(text: &str, uid: &str) -> usize {
    text.lines().filter(|line| line.starts_with("tmpfs ") && line.contains(uid)).count()
}
