//! What a data plane restores from the state file of its predecessor.

use std::io::Write;
use std::time::Duration;

use entropool_dataplane::{AttachRequest, Client, PoolConfig};
use htb::Rate;
use htb::pool::{ClassParams, NamespaceBound};

use crate::rig::{Rig, UNBOUND, class, connect, exchange, pool, silent, vm};

/// VMs that have a burst and then next to nothing.
fn meagre() -> PoolConfig {
    pool("default", UNBOUND, vec![class("slow", Rate(1))])
}

fn qemu() -> AttachRequest {
    AttachRequest { client: Client::Qemu, ..vm("vm") }
}

#[test]
fn an_empty_bucket_is_empty_after_a_crash_and_that_of_a_new_vm_is_full() {
    let rig = Rig::new(meagre());
    let mut client = rig.client("vm");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    let left = rig.vm("vm").node.stats.ctokens;
    assert!(left < 0, "{left}");

    let rig = rig.after(meagre());
    let client = rig.client("vm");
    rig.attach("new");
    rig.data_plane.discard_unclaimed();
    assert_eq!(rig.vm("vm").node.stats.ctokens, left);
    let full = rig.vm("new").node;
    assert_eq!(full.stats.ctokens, i64::try_from(full.params.cburst).unwrap());
    (&client).write_all(&[2, 1]).unwrap();
    assert!(silent(&client, Duration::from_millis(200)), "a crash grants no burst");
}

#[test]
fn a_class_and_a_pool_are_restored() {
    let slow = || pool("default", Rate(1), vec![class("shared", Rate(1))]);
    let rig = Rig::new(slow());
    let mut client = rig.client("vm");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    let levels = |rig: &Rig| {
        let snapshot = rig.snapshot();
        let (pool, class) = (&snapshot.pools[0], &snapshot.pools[0].classes[0]);
        let namespace = class.namespaces.first().and_then(|namespace| namespace.node);
        [Some(pool.node), Some(class.node), namespace].map(|node| node.map(|node| node.stats.ctokens))
    };
    let before = levels(&rig);
    let rig = rig.after(slow());
    rig.attach("vm");
    assert_eq!(levels(&rig), before);
}

#[test]
fn a_vm_that_was_detached_is_not_restored() {
    let rig = Rig::new(meagre());
    let mut client = rig.client("vm");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    rig.data_plane.detach("vm").unwrap();
    let rig = rig.after(meagre());
    rig.attach("vm");
    assert!(rig.vm("vm").node.stats.ctokens > 0);
}

#[test]
fn a_peer_that_did_not_act_as_qemu_is_pushed_nothing_before_or_after_a_crash() {
    let rig = Rig::new(meagre());
    let mut peer = connect(&rig.data_plane.attach(qemu()).unwrap());
    exchange(&mut peer, &[0], 4);
    drop(peer);
    assert!(silent(&rig.connect("vm"), Duration::from_millis(200)));
    let rig = rig.after(meagre());
    rig.data_plane.attach(qemu()).unwrap();
    assert!(silent(&rig.connect("vm"), Duration::from_millis(200)));
}

#[test]
fn a_tool_at_the_socket_of_a_qemu_does_not_stop_pushes_to_it() {
    let rig = Rig::new(meagre());
    let mut peer = connect(&rig.data_plane.attach(qemu()).unwrap());
    exchange(&mut peer, &[2, 1], 1);
    let mut tool = rig.connect("vm");
    exchange(&mut tool, &[0], 4);
    drop(tool);
    drop(peer);
    let rig = rig.after(meagre());
    rig.data_plane.attach(qemu()).unwrap();
    assert!(!silent(&rig.connect("vm"), Duration::from_secs(10)));
}

#[test]
fn a_tool_beside_a_qemu_without_a_request_yet_does_not_stop_pushes_to_it() {
    let rig = Rig::new(meagre());
    let silent_yet = connect(&rig.data_plane.attach(qemu()).unwrap());
    let mut tool = rig.connect("vm");
    exchange(&mut tool, &[0], 4);
    let rig = rig.after(meagre());
    drop((silent_yet, tool));
    rig.data_plane.attach(qemu()).unwrap();
    assert!(!silent(&rig.connect("vm"), Duration::from_secs(10)));
}

#[test]
fn a_namespace_that_was_removed_and_added_again_has_one_record() {
    let per_namespace = NamespaceBound { ceil: Some(Rate(1)), ..NamespaceBound::default() };
    let slow = || pool("default", UNBOUND, vec![ClassParams { per_namespace, ..class("shared", UNBOUND) }]);
    let rig = Rig::new(slow());
    // The index freed last is used first: the namespace that is added again gets that of the other.
    rig.attach("vm");
    rig.data_plane.attach(AttachRequest { namespace: "other".to_owned(), ..vm("last") }).unwrap();
    for id in ["vm", "last"] {
        rig.data_plane.detach(id).unwrap();
    }
    let mut client = rig.client("vm");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    let namespace = |rig: &Rig| rig.snapshot().pools[0].classes[0].namespaces[0].node.unwrap().stats.ctokens;
    let left = namespace(&rig);
    assert!(left < 0, "{left}");
    let rig = rig.after(slow());
    rig.attach("vm");
    assert_eq!(namespace(&rig), left);
}
