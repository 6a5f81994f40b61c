//! The five commands, however their bytes are split.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crate::rig::{Rig, exchange, is_closed};

#[test]
fn a_blocking_read_returns_that_many_bytes() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let (first, second) = (exchange(&mut socket, &[2, 64], 64), exchange(&mut socket, &[2, 64], 64));
    assert!(first != second && first != [0; 64], "the bytes are random");
}

#[test]
fn a_non_blocking_read_is_answered_with_a_count_first() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let reply = exchange(&mut socket, &[1, 255], 256);
    assert_eq!(reply[0], 255);
    assert_eq!(exchange(&mut socket, &[1, 0], 1), [0]);
}

#[test]
fn the_pid_is_that_of_the_daemon() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let pid = std::process::id().to_string();
    let reply = exchange(&mut socket, &[4], 1 + pid.len());
    assert_eq!(usize::from(reply[0]), pid.len());
    assert_eq!(&reply[1..], pid.as_bytes());
}

#[test]
fn written_entropy_is_discarded() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    // Its payload looks like commands, an unknown one among them.
    assert_eq!(exchange(&mut socket, &[3, 0, 8, 4, 2, 255, 9, 9, 2, 10], 10).len(), 10);
    assert_eq!(rig.vm("vm").asked.discarded, 4);
}

#[test]
fn the_level_is_what_this_vm_could_draw_now_in_bits() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let reply = exchange(&mut socket, &[0], 4);
    let bits = u32::from_be_bytes(reply.try_into().unwrap());
    let cburst = rig.vm("vm").node.params.cburst;
    assert_eq!(u64::from(bits), cburst * 8);
}

/// All five, some twice, and the reply's parts: a literal or a number of random bytes.
fn everything() -> (Vec<u8>, Vec<Result<Vec<u8>, usize>>) {
    let pid = std::process::id().to_string().into_bytes();
    let pid = [vec![u8::try_from(pid.len()).unwrap()], pid].concat();
    let request = [2, 5, 2, 255, 4, 1, 7, 3, 0, 0, 3, 1, 1, 9, 2, 1, 4, 1, 0, 2, 200, 4].to_vec();
    let reply = vec![
        Err(260),
        Ok(pid.clone()),
        Ok(vec![7]),
        Err(7),
        Err(1),
        Ok(pid.clone()),
        Ok(vec![0]),
        Err(200),
        Ok(pid),
    ];
    (request, reply)
}

fn check(reply: &[u8], expected: &[Result<Vec<u8>, usize>]) {
    let mut rest = reply;
    for part in expected {
        let length = part.as_ref().map_or_else(|count| *count, Vec::len);
        let (here, after) = rest.split_at(length);
        rest = after;
        if let Ok(literal) = part {
            assert_eq!(here, literal);
        }
    }
    assert!(rest.is_empty());
}

#[test]
fn all_five_pipelined_are_answered_in_order() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let (request, expected) = everything();
    let length = expected.iter().map(|part| part.as_ref().map_or_else(|count| *count, Vec::len)).sum();
    for _ in 0..50 {
        check(&exchange(&mut socket, &request, length), &expected);
    }
}

#[test]
fn all_five_byte_by_byte_are_answered_the_same() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let (request, expected) = everything();
    let length = expected.iter().map(|part| part.as_ref().map_or_else(|count| *count, Vec::len)).sum();
    for byte in &request {
        socket.write_all(&[*byte]).unwrap();
        rig.snapshot(); // one batch of the loop, so that the byte is read alone
    }
    let mut reply = vec![0; length];
    socket.read_exact(&mut reply).unwrap();
    check(&reply, &expected);
}

#[test]
fn a_small_reply_arrives_in_one_piece() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let mut reply = [0; 512];
    for _ in 0..500 {
        for (request, length) in [(&[1, 255][..], 256), (&[2, 255], 255), (&[0], 4)] {
            socket.write_all(request).unwrap();
            assert_eq!(socket.read(&mut reply).unwrap(), length);
        }
    }
}

#[test]
fn answers_that_were_not_read_at_once_arrive_complete_and_in_order() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    socket.write_all(&[1, 200].repeat(3000)).unwrap();
    rig.until("a full buffer", |snapshot| snapshot.pools[0].vms[0].blocked == 1);
    socket.write_all(&[0, 0, 0, 4, 2, 7]).unwrap();
    let mut reply = [0; 201];
    for _ in 0..3000 {
        socket.read_exact(&mut reply).unwrap();
        assert_eq!(reply[0], 200);
    }
    let digits = std::process::id().to_string().len();
    let mut levels_pid_and_bytes = vec![0; 12 + 1 + digits + 7];
    socket.read_exact(&mut levels_pid_and_bytes).unwrap();
    assert_eq!(usize::from(levels_pid_and_bytes[12]), digits);
}

#[test]
fn garbage_closes_that_connection_and_no_other() {
    let rig = Rig::unbound();
    let mut bad = rig.client("bad");
    let mut good = rig.client("good");
    let mut sibling = rig.connect("bad");
    exchange(&mut sibling, &[2, 1], 1);
    bad.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert!(is_closed(&mut bad));
    exchange(&mut sibling, &[2, 64], 64);
    exchange(&mut good, &[2, 64], 64);
    assert_eq!(rig.snapshot().counters.closed.unknown_command, 1);
}

#[test]
fn too_many_unlike_requests_close_the_connection() {
    let rig = Rig::new(crate::rig::pool(
        "default",
        crate::rig::UNBOUND,
        vec![crate::rig::class("slow", htb::Rate(1))],
    ));
    let mut socket = rig.client("vm");
    let unlike: Vec<u8> = (0..40).flat_map(|_| [2, 255, 4]).collect();
    socket.write_all(&unlike).unwrap();
    assert!(is_closed(&mut socket));
    assert_eq!(rig.snapshot().counters.closed.too_many_runs, 1);
}

/// A peer that has sent this and shut down its side, of a VM with 2,550 bytes a second.
fn half_closed(rig: &Rig, request: &[u8]) -> UnixStream {
    let mut socket = rig.client("vm");
    socket.write_all(request).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    socket
}

fn slow() -> Rig {
    let slow = crate::rig::class("slow", htb::Rate::per_second(2550));
    Rig::new(crate::rig::pool("default", crate::rig::UNBOUND, vec![slow]))
}

#[test]
fn a_peer_that_has_shut_down_its_side_is_sent_everything_that_it_is_owed_and_then_closed() {
    let rig = slow();
    // The last command is incomplete, and never will be complete.
    let mut socket = half_closed(&rig, &[&[2, 255].repeat(8)[..], &[0, 1, 9, 2, 255, 1, 0, 3, 0]].concat());
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).unwrap();
    let nine = usize::from(reply[8 * 255 + 4]);
    assert_eq!(reply.len(), 8 * 255 + 4 + 1 + nine + 255 + 1);
    rig.until("its close", |snapshot| snapshot.counters.closed.ended == 1);
    // One that is owed nothing is closed at once, and no unsolicited bytes are sent to it.
    for request in [&[][..], &[2], &[2, 0], &[3, 0, 0, 1, 7]] {
        let socket = rig.connect("vm");
        (&socket).write_all(request).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!((&socket).read_to_end(&mut reply).unwrap(), 0);
    }
}

#[test]
fn a_peer_that_has_shut_down_its_side_and_does_not_read_is_owed_it_until_it_closes() {
    let rig = slow();
    let socket = half_closed(&rig, &[2, 255].repeat(10_000));
    let owed = rig.until("its debts", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    assert_eq!(owed.pools[0].vms[0].connections, 1);
    drop(socket);
    let after = rig.until("its close", |snapshot| snapshot.pools[0].vms[0].connections == 0);
    assert_eq!((after.pools[0].vms[0].owed, after.pools[0].vms[0].node.stats.backlog), (0, 0));
    assert_eq!(after.counters.closed.ended, 1);
}
