//! A QEMU whose request was lost with its connection, simulated by a client that acts as QEMU does: it never repeats a
//! request, and reads no more than it has requested.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use entropool_dataplane::{AttachRequest, Client};
use htb::Rate;

use crate::clock::Stopwatch;
use crate::rig::{Rig, UNBOUND, class, connect, exchange, pool, silent, vm};

/// Long enough for a second push.
const A_FEW_PUSHES: Duration = Duration::from_millis(300);

/// A pool whose VMs have a burst and then next to nothing.
fn meagre() -> Rig {
    Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]))
}

fn attach(rig: &Rig, client: Client) -> UnixStream {
    connect(&rig.data_plane.attach(AttachRequest { client, ..vm("vm") }).unwrap())
}

/// Requests 64 bytes until they are not served, then stops the data plane.
fn lose_a_request() {
    let rig = meagre();
    let mut qemu = attach(&rig, Client::Qemu);
    let mut served = 0;
    loop {
        qemu.write_all(&[2, 64]).unwrap();
        rig.until("its request", |snapshot| snapshot.pools[0].vms[0].asked.blocking > served);
        if silent(&qemu, Duration::from_millis(20)) {
            return;
        }
        served += 1;
    }
}

#[test]
fn a_request_lost_with_its_connection_is_served_on_the_next() {
    lose_a_request();
    let rig = meagre();
    let path = rig.data_plane.attach(AttachRequest { client: Client::Qemu, ..vm("vm") }).unwrap();
    let clock = Stopwatch::start();
    let mut qemu = connect(&path);
    qemu.read_exact(&mut [0; 64]).unwrap();
    // After 50 ms of silence.
    let range = Duration::from_millis(50)..Duration::from_millis(200);
    assert!(range.contains(&clock.elapsed()), "it took {:?}", clock.elapsed());
    // It continues as before.
    for _ in 0..4 {
        exchange(&mut qemu, &[2, 64], 64);
    }
}

#[test]
fn on_a_connection_of_another_client_it_waits_for_ever() {
    lose_a_request();
    let rig = meagre();
    let other = attach(&rig, Client::Egd);
    assert!(silent(&other, A_FEW_PUSHES));
    assert_eq!((rig.vm("vm").unsolicited, rig.snapshot().counters.unsolicited), (0, 0));
}

#[test]
fn a_large_request_is_served_in_pushes_and_every_byte_is_charged() {
    let rig = Rig::unbound();
    let clock = Stopwatch::start();
    let mut qemu = attach(&rig, Client::Qemu);
    qemu.read_exact(&mut [0; 200]).unwrap();
    assert!(clock.elapsed() >= Duration::from_millis(4 * 50), "it took {:?}", clock.elapsed());
    let vm = rig.vm("vm");
    assert_eq!((vm.unsolicited, rig.snapshot().counters.unsolicited, vm.node.stats.bytes), (256, 256, 256));
    // The bytes it left unread are the first of its next answer.
    assert!(silent(&rig.client("other"), A_FEW_PUSHES));
    assert_eq!(exchange(&mut qemu, &[2, 64], 56 + 64).len(), 120);
    assert_eq!(rig.vm("vm").unsolicited, 256);
}

#[test]
fn a_peer_that_waits_for_nothing_is_pushed_64_bytes_and_no_more() {
    let rig = Rig::unbound();
    let other = rig.client("other");
    let mut qemu = attach(&rig, Client::Qemu);
    assert!(silent(&other, A_FEW_PUSHES));
    let before = rig.snapshot().counters;
    assert_eq!(before.unsolicited, 64);
    assert!(silent(&other, Duration::from_secs(2)));
    // One for the snapshot.
    assert_eq!(rig.snapshot().counters.wake_ups - before.wake_ups, 1);
    qemu.read_exact(&mut [0; 64]).unwrap();
    assert!(silent(&qemu, A_FEW_PUSHES), "the push phase is over, even once it has read");
}

#[test]
fn a_peer_that_sends_a_request_is_pushed_no_more() {
    for request in [&[2, 0][..], &[4], &[2]] {
        let rig = Rig::unbound();
        let mut peer = attach(&rig, Client::Qemu);
        peer.read_exact(&mut [0; 64]).unwrap();
        let answer = if request == [4] { 1 + std::process::id().to_string().len() } else { 0 };
        exchange(&mut peer, request, answer);
        assert!(silent(&peer, A_FEW_PUSHES), "after {request:?}");
        assert_eq!(rig.vm("vm").unsolicited, 64);
    }
}

#[test]
fn a_vm_that_reconnects_all_the_time_gets_its_tokens_and_one_credit() {
    let rig = meagre();
    let clock = Stopwatch::start();
    let mut connection = attach(&rig, Client::Qemu);
    for _ in 0..25 {
        // Whoever reads nothing is pushed something once; without tokens and credit nothing comes.
        silent(&connection, Duration::from_millis(80));
        drop(std::mem::replace(&mut connection, rig.connect("vm")));
    }
    let vm = rig.vm("vm");
    // The last push may exceed the burst, as a grant may.
    let credits = 255 * (1 + clock.elapsed().as_secs());
    let due = vm.node.params.cburst + 64 + credits;
    assert!((vm.node.params.cburst..=due).contains(&vm.unsolicited), "{} of {due}", vm.unsolicited);
    assert_eq!(vm.unsolicited, vm.node.stats.bytes);
}

#[test]
fn a_vm_without_tokens_is_pushed_its_credit_and_the_rest_waits() {
    let rig = meagre();
    let mut qemu = attach(&rig, Client::Qemu);
    let cburst = rig.vm("vm").node.params.cburst;
    qemu.read_exact(&mut [0; 64]).unwrap();
    qemu.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    drop(qemu);
    let spent = rig.until("its close", |snapshot| snapshot.pools[0].vms[0].connections == 0);
    assert!(spent.pools[0].vms[0].node.stats.bytes >= cburst);
    // It has credit again a second after its first connection.
    assert!(silent(&rig.client("other"), Duration::from_millis(1100)));
    let mut again = rig.connect("vm");
    again.read_exact(&mut [0; 255]).unwrap();
    assert!(silent(&again, A_FEW_PUSHES));
    assert_eq!(rig.vm("vm").unsolicited, 64 + 255);
}

#[test]
fn a_client_that_asks_at_once_is_sent_nothing_unsolicited() {
    // As OpenSSL does, at the socket of a VM that has only ever sent 0x02.
    let rig = Rig::unbound();
    let mut qemu = attach(&rig, Client::Qemu);
    exchange(&mut qemu, &[2, 64], 64);
    drop(qemu);
    let mut openssl = rig.connect("vm");
    assert_eq!(exchange(&mut openssl, &[1, 32], 33)[0], 32);
    assert!(silent(&openssl, A_FEW_PUSHES));
    assert!(silent(&rig.connect("vm"), A_FEW_PUSHES), "nor is whoever comes next");
    assert_eq!(rig.vm("vm").unsolicited, 0);
}

#[test]
fn a_program_that_is_no_qemu_is_sent_nothing_unsolicited_unless_its_vm_is_said_to_be_one() {
    let rig = Rig::unbound();
    let mut peer = attach(&rig, Client::Detect);
    assert!(silent(&peer, A_FEW_PUSHES));
    // Not even if its VM sends what a QEMU sends, and nothing else.
    exchange(&mut peer, &[2, 64], 64);
    drop(peer);
    assert!(silent(&rig.connect("vm"), A_FEW_PUSHES));
    assert_eq!(rig.vm("vm").unsolicited, 0);
}

/// Names the socket to connect to, in the process that is to be taken for a QEMU.
const PRETEND: &str = "ENTROPOOL_TEST_PRETEND_QEMU";

#[test]
fn a_program_that_is_a_qemu_is_sent_unsolicited_bytes_whatever_its_vm_has_sent() {
    if let Some(socket) = std::env::var_os(PRETEND) {
        return connect(socket.as_ref()).read_exact(&mut [0; 128]).unwrap();
    }
    let rig = Rig::unbound();
    let mut tool = attach(&rig, Client::Detect);
    exchange(&mut tool, &[0], 4);
    drop(tool);
    let qemu = rig.dir.path().join("qemu-system-pretended");
    std::fs::copy(std::env::current_exe().unwrap(), &qemu).unwrap();
    let this = "unsolicited::a_program_that_is_a_qemu_is_sent_unsolicited_bytes_whatever_its_vm_has_sent";
    let mut pretender = std::process::Command::new(&qemu);
    pretender.args(["--exact", this]).env(PRETEND, rig.data_plane.socket_path("vm").unwrap());
    assert!(pretender.status().unwrap().success());
    assert!(rig.vm("vm").unsolicited >= 128);
}
