//! The first process of a daemon, and the one that it starts again.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use entropool_tests::daemon::Refusal;
use entropool_tests::host::vacant_port;
use entropool_tests::{Daemon, EgdClient, scrape};
use rustix::process::{Signal, kill_process};

use crate::{OPEN, alone, beside_others, host, start};

/// From the death of a worker to the first connection that the next one takes.
const BACK: Duration = Duration::from_millis(100);
/// A VM that asks for a few hundred bytes waits for seconds.
const SLOW: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: any}
spec: {pool: default, ceil: 20/s, cburst: '64'}
";
const MOST_MEMORY: u64 = 3 * 1024 * 1024;
/// From a worker's last turn to the first byte of the next one: ten seconds until it is known to hang, and what any crash
/// takes.
const UNHUNG: Duration = Duration::from_millis(12_500);
/// Longer than any silence that a supervisor bears.
const FROZEN: Duration = Duration::from_secs(11);

#[test]
fn a_worker_that_is_killed_is_back_at_once() {
    let _machine = alone();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut gaps: Vec<_> = (0..8)
        .map(|_| {
            let worker = daemon.process().unwrap();
            let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
            client.read(1).unwrap();
            let begin = Instant::now();
            kill_process(worker.pid().unwrap(), Signal::KILL).unwrap();
            client.read(1).unwrap();
            let gap = begin.elapsed();
            daemon.wait_for("ready").unwrap();
            assert_ne!(daemon.process().unwrap().id(), worker.id());
            gap
        })
        .collect();
    gaps.sort();
    println!("from kill -9 to the first byte of the next worker: {gaps:?}");
    // A pause of ours would be in each of them; what a busy machine adds to one it need not add to all.
    assert!(gaps[0] <= BACK, "{gaps:?}");
}

/// Draws a byte as soon as somebody serves. A dead daemon's file refuses at once, and a dying one's socket may still
/// take a connection.
fn draw(socket: &Path) {
    let byte = || EgdClient::connect(socket)?.read(1);
    for _ in 0..10_000 {
        if byte().is_ok() {
            return;
        }
        sleep(Duration::from_millis(1));
    }
    panic!("nobody serves at {}", socket.display());
}

#[test]
fn the_supervisor_is_small() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    daemon.crash().unwrap();
    let memory = daemon.supervisor().memory().unwrap();
    println!("the supervisor has {} KiB of its own", memory / 1024);
    assert!(memory <= MOST_MEMORY, "{memory} bytes");
}

#[test]
fn a_worker_dies_with_its_supervisor_and_its_places_can_be_taken_at_once() {
    let _machine = beside_others();
    let mut daemon = start(OPEN, &["a=default/any"]);
    let worker = daemon.process().unwrap();
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    client.read(1).unwrap();
    daemon.restart().unwrap();
    assert!(client.is_closed());
    assert_ne!(daemon.process().unwrap().id(), worker.id());
    EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
}

#[test]
fn every_signal_that_ends_a_daemon_reaches_the_worker() {
    let _machine = beside_others();
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = start(OPEN, &["a=default/any"]);
        daemon.signal(signal).unwrap();
        daemon.wait_for("stopped").unwrap();
        assert_eq!(daemon.ended().unwrap().code(), Some(0), "{signal:?}");
        assert!(!daemon.socket("a").exists());
    }
}

#[test]
fn a_service_manager_is_told_when_somebody_serves() {
    let _machine = beside_others();
    let host = host(OPEN);
    let socket = host.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = host.run();
    command.args(["--vm", "a=default/any,client=egd"]).env("NOTIFY_SOCKET", &socket);
    let mut daemon = command.spawn().unwrap();
    let mut words = [0; 64];
    let told = manager.recv(&mut words);
    let drawn =
        told.as_ref().ok().map(|_| EgdClient::connect(&host.socket("a")).and_then(|mut it| it.read(1)));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(&words[..told.unwrap()], b"READY=1");
    drawn.unwrap().unwrap();
}

#[test]
fn what_is_wrong_with_the_command_line_or_the_manifests_is_said_once() {
    let _machine = beside_others();
    let host = host(OPEN);
    let wrong_use = Refusal::of(host.run().arg("--no-such-flag")).unwrap();
    assert_eq!(wrong_use.code, Some(2), "{}", wrong_use.said);
    host.rewrite("kind: EntropyPool").unwrap();
    let wrong = Refusal::of(&mut host.run()).unwrap();
    assert_eq!(wrong.code, Some(1), "{}", wrong.said);
    assert_eq!(wrong.said.matches("nothing is served").count(), 1, "{}", wrong.said);
}

#[test]
fn a_worker_that_stands_still_is_found_out_and_its_vms_are_served_by_the_next_one() {
    let _machine = beside_others();
    let metrics = vacant_port().unwrap();
    let port = metrics.to_string();
    let arguments = ["--vm", "a=default/any,client=egd", "--metrics", &port];
    let daemon = Daemon::start_with(host(OPEN), &arguments).unwrap();
    let worker = daemon.process().unwrap();
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    client.read(1).unwrap();
    let hangs = || scrape(metrics, "entropool_worker_hangs_total").unwrap();
    assert_eq!(hangs(), "0");

    let begin = Instant::now();
    kill_process(worker.pid().unwrap(), Signal::STOP).unwrap();
    client.send(&[2, 1]).unwrap();
    client.receive(1).unwrap();
    let gap = begin.elapsed();
    println!("from the last turn of a worker that hangs to the first byte of the next: {gap:?}");
    assert!(gap <= UNHUNG, "{gap:?}");
    daemon.wait_for("WorkerHangs").unwrap();
    daemon.wait_for("ready").unwrap();
    assert_ne!(daemon.process().unwrap().id(), worker.id());
    assert_eq!(hangs(), "1");
}

/// What a connection of each kind is after its worker was killed.
#[test]
fn a_connection_goes_on_where_its_worker_was_killed_or_is_closed() {
    let _machine = alone();
    let daemon = start(SLOW, &["a=default/any"]);
    let connect = || EgdClient::connect(&daemon.socket("a")).unwrap();
    let [mut silent, mut idle, mut half, mut other, mut waits] = std::array::from_fn(|_| connect());
    idle.pid().unwrap();
    half.send(&[2]).unwrap();
    other.send(&[2, 255, 2, 255, 0]).unwrap();
    waits.send(&[2, 255].repeat(4)).unwrap();
    sleep(Duration::from_millis(100));
    daemon.crash().unwrap();
    silent.read(1).unwrap();
    idle.pid().unwrap();
    half.send(&[1]).unwrap();
    half.receive(1).unwrap();
    let mut rest = Vec::new();
    other.into_stream().read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 510, "what it is owed is not known any more, so it is closed");
    waits.receive(16).unwrap();
}

/// A copy of a socket that is never closed would be a connection that its client believes to be open.
#[test]
fn nothing_is_kept_of_connections_and_vms_that_are_gone() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let kept = || std::fs::read_dir(format!("/proc/{}/fd", daemon.supervisor().id())).unwrap().count();
    EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
    let before = settled(&kept);
    for _ in 0..20 {
        EgdClient::connect(&daemon.socket("a")).unwrap().read(1).unwrap();
    }
    let open: Vec<_> = (0..5).map(|_| EgdClient::connect(&daemon.socket("a")).unwrap()).collect();
    assert_eq!(settled(&kept), before + open.len());
    drop(open);
    assert_eq!(settled(&kept), before);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    daemon.host().ask(["detach", "a"]).unwrap();
    assert!(client.is_closed(), "the supervisor's copy keeps it open for no one");
    assert_eq!(settled(&kept), before - 1, "the listener of the VM");
}

/// A number that has not changed for a while.
fn settled(number: &impl Fn() -> usize) -> usize {
    let mut last = number();
    loop {
        sleep(Duration::from_millis(300));
        let now = number();
        if now == last {
            return now;
        }
        last = now;
    }
}

/// One of the connections may be what workers die of.
#[test]
fn connections_are_closed_once_two_workers_in_a_row_have_died_of_themselves() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    let abort = || {
        kill_process(daemon.process().unwrap().pid().unwrap(), Signal::ABORT).unwrap();
        daemon.wait_for("ready").unwrap();
    };
    for _ in 0..2 {
        client.read(1).unwrap();
        abort();
    }
    client.read(1).unwrap();
    abort();
    assert!(client.is_closed());
    draw(&daemon.socket("a"));
}

#[test]
fn a_host_that_stands_still_as_a_whole_costs_no_worker_its_life() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let (worker, supervisor) = (daemon.process().unwrap(), daemon.supervisor());
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    client.read(1).unwrap();
    let send = |to: &[_], signal| to.iter().for_each(|pid| kill_process(*pid, signal).unwrap());
    let all = [supervisor.pid().unwrap(), worker.pid().unwrap()];
    send(&all, Signal::STOP);
    // What is shown is that time passes, and is not held against anybody.
    sleep(FROZEN);
    // The one that judges goes first: at its first look the other still stands.
    send(&all[..1], Signal::CONT);
    sleep(Duration::from_millis(1_500));
    send(&all[1..], Signal::CONT);
    sleep(Duration::from_millis(1_500));
    client.read(1).unwrap();
    assert_eq!(daemon.process().unwrap().id(), worker.id());
}
