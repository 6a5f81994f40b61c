//! Whenever an agent stops, the next one makes every pod's socket in the directory that the pod has mounted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use soak::Run;

use crate::config::config;
use crate::kubelet::{Kubelet, Pod, draw};
use crate::node::{Host, Node};

#[test]
fn a_directory_outlives_the_agent_and_has_the_socket_of_the_next_one() {
    let host = Host::new();
    let pod = Pod::new(1).class("two");
    let mut node = Node::start(&host);
    let target = Kubelet::of(&host).publish(&pod).unwrap();
    let inode = fs::metadata(&target).unwrap().ino();
    for _ in 0..3 {
        drop(node);
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode, "what is mounted stays");
        node = Node::start(&host);
        assert_eq!(node.vms(), [(pod.uid.clone(), "default".to_owned(), "two".to_owned())]);
        assert!(draw(&target.join("egd.sock"), 64).is_ok());
    }
}

#[test]
fn a_pod_that_names_no_class_keeps_the_default_class_of_its_publish() {
    let host = Host::new();
    let (first, second) = (Pod::new(1), Pod::new(2));
    let node = Node::start(&host);
    Kubelet::of(&host).publish(&first).unwrap();
    let mut config = config();
    config.pools[0].default_class = "two".to_owned();
    node.agent.apply(&Arc::new(config.clone())).unwrap();
    Kubelet::of(&host).publish(&second).unwrap();
    Kubelet::of(&host).publish(&first).expect("the kubelet repeats itself");
    let classes = |node: &Node| [&first, &second].map(|pod| node.class_of(&pod.uid));
    assert_eq!(classes(&node), ["shared", "two"], "while it runs");
    drop(node);
    let node = Node::start_bare(&host);
    node.configure_as(config);
    assert_eq!(classes(&node), ["shared", "two"], "after a restart");
    // To the default class, whichever that is now.
    node.agent.attachments().move_vm(&first.uid, "").unwrap();
    drop(node);
    assert_eq!(classes(&Node::start(&host)), ["two", "two"], "where it was moved to");
}

#[test]
fn a_pod_keeps_the_class_that_it_was_moved_to() {
    let host = Host::new();
    let pod = Pod::new(1).class("two");
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    kubelet.publish(&pod).unwrap();
    node.agent.attachments().move_vm(&pod.uid, "shared").unwrap();
    kubelet.publish(&pod).expect("the pod still names its first class");
    drop(node);
    let node = Node::start(&host);
    assert_eq!(node.vms()[0].2, "shared");
}

#[test]
fn a_detached_pod_stays_detached_until_it_ends() {
    let host = Host::new();
    let (pod, after) = (Pod::new(1), Pod::new(2));
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let before = host.tree();
    let target = kubelet.publish(&pod).unwrap();
    node.agent.attachments().detach(&pod.uid).unwrap();
    let is_detached = |node: &Node| {
        assert_eq!(node.vms(), []);
        assert!(!target.join("egd.sock").exists());
    };
    node.configure();
    is_detached(&node);
    kubelet.publish(&pod).expect("the kubelet may ask again");
    is_detached(&node);
    drop(node);
    let (node, kubelet) = (Node::start(&host), Kubelet::of(&host));
    is_detached(&node);
    kubelet.unpublish(&pod).unwrap();
    kubelet.publish(&after).unwrap();
    assert_eq!(node.vms().len(), 1, "the next pod is another");
    kubelet.unpublish(&after).unwrap();
    assert_eq!(host.tree(), before);
}

#[test]
fn a_pod_that_was_deleted_while_the_agent_was_stopped_is_dropped() {
    let host = Host::new();
    let (gone, stays) = (Pod::new(1), Pod::new(2));
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    kubelet.publish(&gone).unwrap();
    kubelet.publish(&stays).unwrap();
    drop(node);
    fs::remove_dir_all(host.pods().join(&gone.uid)).unwrap();
    let node = Node::start(&host);
    assert_eq!(node.vms().iter().map(|vm| &vm.0).collect::<Vec<_>>(), [&stays.uid]);
    assert_eq!(fs::read_dir(host.path("run/attachments")).unwrap().count(), 1);
}

#[test]
fn a_pod_waits_for_a_configuration_with_its_pool() {
    let host = Host::new();
    let pod = Pod::new(1);
    let node = Node::start(&host);
    let target = Kubelet::of(&host).publish(&pod).unwrap();
    drop(node);
    let node = Node::start_bare(&host);
    assert_eq!(node.vms(), []);
    node.configure();
    assert_eq!(node.vms().len(), 1);
    assert!(draw(&target.join("egd.sock"), 1).is_ok());
}

/// The leftovers of a crash at each step of a publish and an unpublish, and of a reboot.
#[test]
fn after_any_crash_the_next_calls_succeed() {
    type Leave = fn(&Host, &Pod);
    let leave: [(&str, Leave); 5] = [
        ("a half-written journal entry", |host, _| {
            fs::write(host.path("run/attachments/.new"), "{\"volu").unwrap();
        }),
        ("an entry without a directory", |host, pod| {
            fs::remove_dir_all(pod.target(&host.pods())).unwrap();
        }),
        ("a directory without a socket", |host, pod| {
            fs::remove_file(pod.target(&host.pods()).join("egd.sock")).ok();
        }),
        ("a socket that was not yet renamed", |host, pod| {
            fs::write(pod.target(&host.pods()).join(".egd.new"), "").unwrap();
        }),
        ("no entry, and a socket from before the reboot", |host, pod| {
            fs::remove_dir_all(host.path("run/attachments")).unwrap();
            let directory = fs::File::open(pod.target(&host.pods())).unwrap();
            let short = format!("/proc/self/fd/{}/egd.sock", std::os::fd::AsRawFd::as_raw_fd(&directory));
            drop(UnixListener::bind(short).unwrap());
        }),
    ];
    for (what, leave) in leave {
        let host = Host::new();
        let pod = Pod::new(1);
        let node = Node::start(&host);
        Kubelet::of(&host).publish(&pod).unwrap();
        drop(node);
        leave(&host, &pod);
        let node = Node::start(&host);
        let kubelet = Kubelet::of(&host);
        let target = kubelet.publish(&pod).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(draw(&target.join("egd.sock"), 1).is_ok(), "{what}");
        kubelet.unpublish(&pod).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(node.vms(), [], "{what}");
        let entries = fs::read_dir(host.path("run/attachments")).unwrap();
        let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == ".new"), "{what}: {left:?}");
    }
}

#[test]
fn an_unpublish_after_a_reboot_removes_the_agent_s_files_alone() {
    let host = Host::new();
    let pod = Pod::new(1);
    let target = pod.target(&host.pods());
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("egd.sock"), "").unwrap();
    let _node = Node::start(&host);
    Kubelet::of(&host).unpublish(&pod).unwrap();
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("a tenant's"), "precious").unwrap();
    let refused = Kubelet::of(&host).call_unpublish("csi-x", &target.to_string_lossy()).unwrap_err();
    assert!(refused.message().contains("cannot be removed"), "{refused}");
    assert!(target.join("a tenant's").exists());
}

/// Each round publishes and unpublishes; now and then the agent ends in between, or the kubelet says it twice.
#[test]
fn many_rounds_leave_nothing() {
    let mut run = Run::begin("csi-rounds", 200, 10_000);
    let host = Host::new();
    drop(Node::start(&host));
    let before = host.tree();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut node, mut dice) = (Some(Node::start(&host)), run.dice());
    let mut kubelet = Kubelet::of(&host);
    let first = descriptors();
    for round in 0..run.count() {
        let pod = Pod::new(usize::try_from(round).unwrap());
        kubelet.publish(&pod).unwrap();
        if dice.once_in(10) {
            drop(node.take());
            node = Some(Node::start(&host));
            kubelet = Kubelet::of(&host);
        }
        if dice.once_in(3) {
            kubelet.publish(&pod).unwrap();
        }
        kubelet.unpublish(&pod).unwrap();
    }
    assert_eq!(node.as_ref().unwrap().vms(), []);
    let last = descriptors();
    run.figure("descriptors", last);
    // Other tests of this program open and close theirs meanwhile.
    assert!(last < first + 1_000, "{first} descriptors, then {last}");
    drop(node);
    assert_eq!(host.tree(), before);
}
