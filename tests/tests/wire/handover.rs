//! A daemon that hands over, and one that goes on because its successor did not get so far.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use entropool_tests::daemon::Refusal;
use entropool_tests::{Daemon, EgdClient};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};
use rustix::process::Signal;

use crate::{OPEN, alone, beside_others, start};

/// A data plane that hands over stops for so long at most when its successor says nothing more.
const LONGEST: Duration = Duration::from_secs(2);

/// What a successor says first: hello, and version 1.
const HELLO: &[u8] = b"H\0\x01";
const ASK: &[u8] = b"A";

fn ask(daemon: &Daemon, words: &[&str]) -> String {
    let output = daemon.host().ask(words).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_connection_goes_on_in_the_middle_of_a_command_and_of_what_it_is_owed() {
    let _machine = beside_others();
    let slow =
        OPEN.replace("perVM: {", "perVM: {ceil: 20/s, ").replace("cburst: 64Ki}}", "cburst: \"100\"}}");
    let daemon = start(&slow, &["a=default/any", "b=default/any"]);
    let mut half = EgdClient::connect(&daemon.socket("a")).unwrap();
    let mut owed = EgdClient::connect(&daemon.socket("b")).unwrap();
    half.send(&[2]).unwrap();
    owed.send(&[2, 255, 2, 200]).unwrap();
    owed.receive(100).unwrap();
    let debt = |daemon: &Daemon| {
        let vms: serde_json::Value = serde_json::from_str(&ask(daemon, &["vms", "-o", "json"])).unwrap();
        vms["vms"][1]["owed"].as_u64().unwrap()
    };
    let before = debt(&daemon);

    daemon.signal(Signal::USR2).unwrap();
    daemon.wait_for("took over").unwrap();
    daemon.wait_for("ready").unwrap();

    let after = debt(&daemon);
    assert!(after > 0 && after <= before, "{after} bytes are owed, {before} were");
    half.send(&[10]).unwrap();
    half.receive(10).unwrap();
    owed.receive(355).unwrap();
}

#[test]
fn another_process_takes_over_and_the_first_ends_well() {
    let _machine = beside_others();
    let mut daemon = start(OPEN, &["a=default/any"]);
    ask(&daemon, &["attach", "b=default/any,client=egd"]);
    let sockets = ["a", "b"].map(|vm| daemon.socket(vm));
    let mut clients = sockets.each_ref().map(|socket| EgdClient::connect(socket).unwrap());
    for client in &mut clients {
        assert_eq!(client.read(20).unwrap().len(), 20);
    }

    let second = Refusal::of(&mut run(&daemon)).unwrap();
    assert_eq!(second.code, Some(1));
    assert!(second.said.contains("--take-over"), "{}", second.said);

    daemon.take_over().unwrap();
    for client in &mut clients {
        assert_eq!(client.read(20).unwrap().len(), 20);
    }
    for socket in &sockets {
        EgdClient::connect(socket).unwrap().read(1).unwrap();
    }
    let vms: serde_json::Value = serde_json::from_str(&ask(&daemon, &["vms", "-o", "json"])).unwrap();
    for vm in vms["vms"].as_array().unwrap() {
        assert_eq!(vm["counters"]["bytes"], 41, "{vm}");
    }
    ask(&daemon, &["detach", "b"]);
    assert!(!sockets[1].exists());
    daemon.terminate().unwrap();
    daemon.ended().unwrap();
    assert!(!sockets[0].exists());
}

#[test]
fn taking_over_from_nobody_is_a_start() {
    let _machine = beside_others();
    let host = crate::host(OPEN);
    let mut daemon = Daemon::start_with(host, &["--vm", "a=default/any,client=egd", "--take-over"]).unwrap();
    EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
    daemon.crash().unwrap();
    EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
    daemon.terminate().unwrap();
    assert_eq!(daemon.ended().unwrap().code(), Some(0));
}

#[test]
fn a_successor_that_fails_at_any_step_leaves_the_daemon_serving() {
    let _machine = alone();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    let worker = daemon.process().unwrap().id();
    let mut serves = |what: &str| {
        let begin = Instant::now();
        assert_eq!(client.read(64).unwrap().len(), 64, "{what}");
        assert!(begin.elapsed() <= LONGEST, "{what}: {:?}", begin.elapsed());
        EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
        ask(&daemon, &["attach", "b=default/any"]);
        ask(&daemon, &["detach", "b"]);
        assert_eq!(daemon.process().unwrap().id(), worker, "{what}");
    };
    let door = daemon.host().run_dir().join("handover.sock");

    drop(knock(&door));
    serves("it knocked and went");
    for garbage in [b"".as_slice(), b"x", b"H", b"H\0\0", b"R", b"D", &[7; 12_000]] {
        let peer = knock(&door);
        let _ = send(&peer, garbage, SendFlags::NOSIGNAL);
        serves("it spoke nonsense");
    }
    let peer = knock(&door);
    say(&peer, HELLO);
    assert_eq!(hear(&peer), b'O');
    drop(peer);
    serves("it was told to prepare and went");
    let peer = knock(&door);
    say(&peer, HELLO);
    assert_eq!(hear(&peer), b'O');
    say(&peer, b"R");
    serves("it left a step out");
    drop(peer);
    for heard in 0..4 {
        let peer = knock(&door);
        say(&peer, HELLO);
        assert_eq!(hear(&peer), b'O');
        say(&peer, ASK);
        for _ in 0..heard {
            hear(&peer);
        }
        drop(peer);
        serves("it was told all and went");
    }
    let peer = knock(&door);
    say(&peer, HELLO);
    assert_eq!(hear(&peer), b'O');
    say(&peer, ASK);
    serves("it was told all and says nothing");
    say(&peer, b"R");
    serves("it is ready too late");

    daemon.signal(Signal::USR2).unwrap();
    daemon.wait_for("took over").unwrap();
    daemon.wait_for("ready").unwrap();
    assert_eq!(client_after(&daemon), 64, "and then one that does it right");
}

fn client_after(daemon: &Daemon) -> usize {
    EgdClient::connect(&daemon.socket("a")).unwrap().read(64).unwrap().len()
}

#[test]
fn a_successor_whose_manifests_are_wrong_leaves_the_daemon_serving() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    let wrong = Refusal::of(run(&daemon).args(["--take-over", "--vm", "c=nowhere"])).unwrap();
    assert_eq!(wrong.code, Some(1), "{}", wrong.said);
    client.read(64).unwrap();
    ask(&daemon, &["attach", "b=default/any"]);
}

#[test]
fn a_daemon_that_cannot_write_down_what_it_keeps_hands_over_to_nobody() {
    let _machine = beside_others();
    let mut daemon = start(OPEN, &["a=default/any"]);
    let in_the_way = daemon.host().state_dir().join("state.tmp");
    // It may be writing what it began with.
    let mut tries = 0..100;
    while std::fs::create_dir(&in_the_way).is_err() {
        tries.next().expect("a checkpoint takes no hundred questions to be written");
        ask(&daemon, &["pools"]);
    }
    ask(&daemon, &["attach", "b=default/any,client=egd"]);
    let refused = Refusal::of(run(&daemon).arg("--take-over")).unwrap();
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.said.contains("a restart loses the changes since"), "{}", refused.said);
    EgdClient::connect(&daemon.socket("b")).unwrap().read(64).unwrap();

    std::fs::remove_dir(&in_the_way).unwrap();
    daemon.take_over().unwrap();
    EgdClient::connect(&daemon.socket("b")).unwrap().read(64).unwrap();
}

fn run(daemon: &Daemon) -> Command {
    let mut command = daemon.host().run();
    command.args(["--vm", "a=default/any,client=egd"]);
    command
}

fn knock(door: &Path) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(door).unwrap()).unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(20))).unwrap();
    socket
}

fn say(peer: &OwnedFd, message: &[u8]) {
    // A daemon that has given up on us has closed its end.
    let _ = send(peer, message, SendFlags::NOSIGNAL);
}

/// The kind of the next message.
fn hear(peer: &OwnedFd) -> u8 {
    let mut message = vec![0; 64 * 1024];
    let (_, count) = recv(peer, &mut message, RecvFlags::empty()).unwrap();
    assert!(count > 0, "it has hung up");
    message[0]
}
