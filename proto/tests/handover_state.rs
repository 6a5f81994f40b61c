//! What a data plane leaves to its successor, as the bytes that the first version wrote: a later one must read them.
#![allow(clippy::unwrap_used)]

use entropool_proto::handover::reply::Reply as Of;
use entropool_proto::handover::{Connection, Counters, HandoverState, Listener, Push, Reply, Request, Vm};
use prost::Message;

/// Committed, not edited.
const GOLDEN: &str = include_str!("../evolution/handover.v1.handover_state.hex");

fn golden() -> Vec<u8> {
    let digits: Vec<_> = GOLDEN.bytes().filter(u8::is_ascii_hexdigit).collect();
    let (pairs, []) = digits.as_chunks() else { panic!("half a byte") };
    pairs
        .iter()
        .map(|pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn counters(first: u64) -> Counters {
    Counters {
        level: first,
        non_blocking: first + 1,
        blocking: first + 2,
        write: first + 3,
        pid: first + 4,
        discarded: first + 5,
        saturations: first + 6,
    }
}

fn listener(socket: u64, path: &str) -> Listener {
    Listener { socket, file_device: 26, file_inode: socket + 1000, path: path.into() }
}

/// Every field that there was, each with a value of its own.
fn state() -> HandoverState {
    let connection = Connection {
        socket: 7002,
        partial: vec![3, 0, 0],
        requests: vec![
            Request { command: 2, bytes: 4_294_967_296, count: 5 },
            Request { command: 1, bytes: 255, count: 2 },
        ],
        replies: vec![
            Reply { reply: Some(Of::Literal(vec![0, 0, 1, 0])) },
            Reply { reply: Some(Of::Random(191)) },
        ],
        asked: Some(counters(10)),
        other_commands: true,
        ended: true,
        push: Some(Push { due: 123_456_789_012, credit: 191 }),
    };
    let vm = Vm {
        id: "web-1".to_owned(),
        listener: Some(listener(7001, "/pods/1/egd.sock")),
        connections: vec![connection],
        asked_before: Some(counters(20)),
        bytes: 1 << 40,
        unsolicited: 64,
        credit_again: 123_456_789_013,
    };
    HandoverState {
        vms: vec![vm],
        api: Some(listener(7003, "")),
        stopped: 123_456_789_014,
        registration: Some(listener(7004, "")),
        driver: Some(listener(7005, "")),
        // Of a later version.
        served: Vec::new(),
    }
}

#[test]
fn an_estate_of_the_first_version_is_read_as_it_was_meant() {
    assert_eq!(HandoverState::decode(golden().as_slice()).unwrap(), state());
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let mut bytes = golden();
    // Fields 2000 of each type of the wire.
    bytes.extend([0x80, 0x7d, 0x01, 0x81, 0x7d, 1, 2, 3, 4, 5, 6, 7, 8, 0x82, 0x7d, 2, b'n', b'w']);
    bytes.extend([0x85, 0x7d, 1, 2, 3, 4]);
    assert_eq!(HandoverState::decode(bytes.as_slice()).unwrap(), state());
}

/// Prints the bytes, for the day on which a second version's are committed beside the first's.
#[test]
fn this_version_writes_what_it_reads() {
    let written = state().encode_to_vec();
    assert_eq!(HandoverState::decode(written.as_slice()).unwrap(), state());
    let digits: Vec<_> = written.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}", digits.chunks(32).map(<[String]>::concat).collect::<Vec<_>>().join("\n"));
}
