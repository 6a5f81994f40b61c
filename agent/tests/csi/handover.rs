//! Two pods of the real program on one node, as during a rolling update of the `DaemonSet`.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};

use crate::kubelet::{Kubelet, PATIENCE, Pod, client, draw};
use crate::node::Host;
use crate::program::Program;

/// The node's sockets at fixed paths.
const FIXED: [&str; 3] = [
    "kubelet/plugins/csi.entropool.io/csi.sock",
    "kubelet/plugins_registry/csi.entropool.io-reg.sock",
    "run/api.sock",
];

fn read(client: &mut UnixStream) {
    client.write_all(&[2, 64]).unwrap();
    client.read_exact(&mut [0; 64]).unwrap();
}

fn inodes(host: &Host) -> Vec<u64> {
    FIXED.iter().map(|path| fs::metadata(host.path(path)).unwrap().ino()).collect()
}

/// The older of two pods serves one pod's volume.
fn old_pod(host: &Host, pod: &Pod) -> (Program, UnixStream) {
    host.configure();
    let old = Program::start(host, "old");
    old.wait_for_log("ready");
    let socket = Kubelet::of(host).publish(pod).unwrap().join("egd.sock");
    let mut vm = client(&socket).unwrap();
    read(&mut vm);
    (old, vm)
}

#[test]
fn a_newer_pod_takes_over_all_and_the_older_one_never_asks_back() {
    let (host, pod) = (Host::new(), Pod::new(1));
    let (old, mut vm) = old_pod(&host, &pod);
    let socket = pod.target(&host.pods()).join("egd.sock");
    let (volume, fixed) = (fs::metadata(&socket).unwrap().ino(), inodes(&host));

    let new = Program::start(&host, "new");
    new.wait_for_log("took over");
    new.wait_for_log("ready");
    old.wait_for_log("waiting for a signal to end");
    assert!(old.workers().is_empty());
    let serving = new.workers();

    // What a kubelet does when the old pod's container ends: it starts it again.
    old.kill();
    let old = Program::start(&host, "old");
    old.wait_for_log("waiting for a signal to end");
    read(&mut vm);
    draw(&socket, 64).unwrap();
    let kubelet = Kubelet::of(&host);
    let second = kubelet.publish(&Pod::new(2)).unwrap();
    draw(&second.join("egd.sock"), 64).unwrap();
    assert_eq!(
        (fs::metadata(&socket).unwrap().ino(), inodes(&host)),
        (volume, fixed),
        "nothing was made anew"
    );

    assert!(old.terminate().success());
    read(&mut vm);
    assert_eq!(new.workers(), serving, "the same process has served all the time");
    kubelet.unpublish(&pod).unwrap();
    kubelet.unpublish(&Pod::new(2)).unwrap();
    assert!(new.terminate().success());
    assert!(FIXED.iter().all(|path| !host.path(path).exists()), "the last one takes them with it");
}

#[test]
fn a_newer_pod_whose_agent_dies_is_back_by_itself_and_the_older_one_stays_away() {
    let (host, pod) = (Host::new(), Pod::new(1));
    let (old, vm) = old_pod(&host, &pod);
    let new = Program::start(&host, "new");
    new.wait_for_log("ready");
    old.wait_for_log("waiting for a signal to end");
    drop(vm);
    new.crash();
    new.wait_for_log("ready");
    assert!(old.workers().is_empty());
    draw(&pod.target(&host.pods()).join("egd.sock"), 64).unwrap();
}

#[test]
fn a_container_that_starts_again_in_a_newer_pod_takes_over_from_an_older_one() {
    let (host, pod) = (Host::new(), Pod::new(1));
    let (old, vm) = old_pod(&host, &pod);
    let new = Program::start(&host, "new");
    new.wait_for_log("ready");
    old.wait_for_log("waiting for a signal to end");
    drop(vm);
    // Both containers end, and the older one is started first.
    new.kill();
    old.kill();
    let old = Program::start(&host, "old");
    old.wait_for_log("ready");
    let mut vm = client(&pod.target(&host.pods()).join("egd.sock")).unwrap();
    read(&mut vm);
    let new = Program::start(&host, "new");
    new.wait_for_log("took over");
    old.wait_for_log("waiting for a signal to end");
    read(&mut vm);
}

#[test]
fn one_whose_successor_dies_before_it_serves_serves_on() {
    let (host, pod) = (Host::new(), Pod::new(1));
    let (old, vm) = old_pod(&host, &pod);
    let peer = knock(&host.path("run/handover.sock"));
    // Hello, version 2, of a pod that started in 2554.
    say(&peer, &[b"H\0\x02".as_slice(), &[0xff; 8]].concat());
    assert_eq!(hear(&peer), b'O');
    say(&peer, b"A");
    while hear(&peer) != b'E' {}
    say(&peer, b"R");
    assert_eq!(hear(&peer), b'D');
    drop((peer, vm));
    old.wait_for_log("died before it served");
    old.wait_for_log("ready");
    draw(&pod.target(&host.pods()).join("egd.sock"), 64).unwrap();
    Kubelet::of(&host).publish(&Pod::new(2)).unwrap();
}

fn knock(door: &Path) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(door).unwrap()).unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
    socket
}

fn say(peer: &OwnedFd, message: &[u8]) {
    send(peer, message, SendFlags::NOSIGNAL).unwrap();
}

/// The kind of the next message. Descriptors that came with it are closed.
fn hear(peer: &OwnedFd) -> u8 {
    let mut message = vec![0; 64 * 1024];
    let (_, count) = recv(peer, &mut message, RecvFlags::empty()).unwrap();
    assert!(count > 0, "it has hung up");
    message[0]
}
