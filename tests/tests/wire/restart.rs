//! Daemons that die, and daemons that hand over, under many clients.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use entropool_tests::{Daemon, QemuClients, Report};
use rustix::process::{Signal, kill_process};
use soak::Run;

use crate::handover_proxy::HandoverProxy;
use crate::{OPEN, alone, host};

/// What no read in a guest may pass, whatever happens to the daemon.
const AFTER_A_CRASH: Duration = Duration::from_millis(2500);
/// The same of a worker that dies, while its supervisor lives: its connections go on. Measured is less than half of that on
/// a quiet machine.
const AFTER_A_WORKER: Duration = Duration::from_millis(500);
/// By when the supervisor has a copy of a new connection, also on a busy machine.
const KEPT: Duration = Duration::from_millis(500);
/// How many kills of everything may meet one read. Who misses its second twice is late by a second.
const AT_MOST: u32 = 3;
/// The same of a planned restart.
const AFTER_A_RESTART: Duration = Duration::from_millis(500);
/// How long nobody is served at most while a process takes over.
const PAUSE: Duration = Duration::from_millis(200);

fn serve(count: usize) -> (Daemon, Vec<PathBuf>) {
    let vms: Vec<_> = (0..count).map(|vm| format!("vm-{vm}=default/any,client=qemu")).collect();
    let daemon = Daemon::start(host(OPEN), &vms).unwrap();
    let sockets = (0..count).map(|vm| daemon.socket(&format!("vm-{vm}"))).collect();
    (daemon, sockets)
}

fn healthy(report: &Report) {
    assert_eq!(report.repeated, 0, "16 bytes came twice");
    assert!((490..=510).contains(&report.ones), "{} of a thousand bits are ones", report.ones);
}

#[test]
fn no_connection_ends_with_a_worker_that_is_killed_again_and_again() {
    let _machine = alone();
    let mut run = Run::begin("kills-under-clients", 50, 1_000);
    let mut dice = run.dice();
    let (daemon, sockets) = serve(250);
    let herd = QemuClients::start(sockets, Duration::from_millis(5)).unwrap();
    std::thread::sleep(KEPT);
    for _ in 0..run.count() {
        std::thread::sleep(Duration::from_millis(dice.below(400)));
        herd.struck();
        daemon.crash().unwrap();
    }
    std::thread::sleep(AFTER_A_WORKER);
    let report = herd.stop().unwrap();
    println!("{report:?}");
    run.figure("longest_wait_ms", u64::try_from(report.longest.as_millis()).unwrap());
    run.figure("longest_wait_a_kill_ms", u64::try_from(report.longest_a_blow.as_millis()).unwrap());
    run.figure("answered", report.answered);
    assert_eq!(report.ended, 0, "connections were closed");
    assert!(report.longest_a_blow <= AFTER_A_WORKER, "{report:?}");
    healthy(&report);
}

#[test]
fn no_client_waits_long_for_a_daemon_all_of_which_dies_again_and_again() {
    let _machine = alone();
    let mut run = Run::begin("kills-of-everything", 10, 200);
    let mut dice = run.dice();
    let (mut daemon, sockets) = serve(250);
    let herd = QemuClients::start(sockets, Duration::from_millis(50)).unwrap();
    for _ in 0..run.count() {
        // Long enough for everybody to come back once, and short enough that many have not asked again yet. A client
        // that comes back within its second, but later than that by what a busy machine takes, is met by the next kill
        // before it was answered: that kill begins its two and a half seconds anew.
        std::thread::sleep(Duration::from_millis(1_200 + dice.below(400)));
        herd.struck();
        daemon.restart().unwrap();
    }
    std::thread::sleep(AFTER_A_CRASH);
    let report = herd.stop().unwrap();
    println!("{report:?}");
    run.figure("longest_wait_ms", u64::try_from(report.longest.as_millis()).unwrap());
    run.figure("longest_wait_a_kill_ms", u64::try_from(report.longest_a_blow.as_millis()).unwrap());
    run.figure("most_kills_in_a_wait", u64::from(report.most_blows));
    run.figure("answered", report.answered);
    assert!(report.ended > 250, "{report:?}");
    assert!(report.longest_a_blow <= AFTER_A_CRASH, "{report:?}");
    assert!(report.most_blows <= AT_MOST, "{report:?}");
    healthy(&report);
}

/// A worker that is killed before it serves leaves what the one before it left.
#[test]
fn a_worker_that_dies_while_it_starts_has_nobody_wait_long_after_the_last_time() {
    let _machine = alone();
    let mut run = Run::begin("kills-within-recoveries", 3, 200);
    let mut dice = run.dice();
    let (daemon, sockets) = serve(100);
    let herd = QemuClients::start(sockets, Duration::from_millis(50)).unwrap();
    std::thread::sleep(KEPT);
    let mut longest = Duration::ZERO;
    for _ in 0..run.count() {
        let first = Instant::now();
        for _ in 0..4 {
            kill_whoever_serves(&daemon);
            std::thread::sleep(Duration::from_millis(dice.below(200)));
        }
        kill_whoever_serves(&daemon);
        longest = longest.max(first.elapsed());
        std::thread::sleep(Duration::from_millis(1_500));
    }
    let report = herd.stop().unwrap();
    println!("{longest:?} from the first of five kills to the last; {report:?}");
    run.figure("longest_wait_ms", u64::try_from(report.longest.as_millis()).unwrap());
    run.figure("kills_took_ms", u64::try_from(longest.as_millis()).unwrap());
    assert_eq!(report.ended, 0, "connections were closed");
    // Workers that die before they serve are started again after growing pauses.
    assert!(report.longest <= longest + AFTER_A_CRASH, "{report:?}");
    healthy(&report);
}

/// Kills the worker, be it one that does not serve yet.
fn kill_whoever_serves(daemon: &Daemon) {
    for _ in 0..3_000 {
        if let Ok(worker) = daemon.process() {
            // It may have gone by itself, which is as well.
            let _ = kill_process(worker.pid().unwrap(), Signal::KILL);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody is started again");
}

#[test]
fn a_planned_restart_drops_nobody() {
    let _machine = alone();
    let mut run = Run::begin("planned-restarts", 20, 500);
    let (daemon, sockets) = serve(1_000);
    let herd = QemuClients::start(sockets, Duration::from_millis(100)).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..run.count() {
        std::thread::sleep(Duration::from_millis(200));
        let before = daemon.process().unwrap().id();
        daemon.signal(Signal::USR2).unwrap();
        pauses.push(pause(&daemon.wait_for("took over").unwrap()));
        daemon.wait_for("ready").unwrap();
        assert_ne!(daemon.process().unwrap().id(), before);
    }
    let report = herd.stop().unwrap();
    pauses.sort();
    let (middle, longest) = (pauses[pauses.len() / 2], pauses[pauses.len() - 1]);
    println!("nobody is served for {middle:?} (median), {longest:?} (longest); {report:?}");
    run.figure("median_pause_ms", u64::try_from(middle.as_millis()).unwrap());
    run.figure("longest_pause_ms", u64::try_from(longest.as_millis()).unwrap());
    run.figure("longest_wait_ms", u64::try_from(report.longest.as_millis()).unwrap());
    assert_eq!(report.ended, 0, "connections were dropped");
    // Nine in ten: on a busy machine two processes that wait for each other wait for all others, too.
    assert!(pauses[pauses.len() * 9 / 10 - 1] <= PAUSE, "{pauses:?}");
    assert!(report.longest <= AFTER_A_RESTART, "{report:?}");
    healthy(&report);
}

#[test]
fn a_successor_that_is_killed_at_any_step_leaves_a_thousand_connections_as_they_are() {
    let _machine = alone();
    let (daemon, sockets) = serve(1_000);
    let herd = QemuClients::start(sockets, Duration::from_millis(200)).unwrap();
    let worker = daemon.process().unwrap().id();
    let between = HandoverProxy::stand(&daemon.host().run_dir().join("handover.sock"));
    // Hello, offer, ask, the first of the sockets, a part of the estate, its end, ready.
    for step in *b"HOAFPER" {
        let killing = between.kill_at(step, daemon.supervisor());
        daemon.signal(Signal::USR2).unwrap();
        killing.join().unwrap();
        only(&daemon, worker);
    }
    let report = herd.stop().unwrap();
    println!("{report:?}");
    assert_eq!(report.ended, 0, "connections were dropped");
    assert!(report.longest <= AFTER_A_CRASH, "{report:?}");
    healthy(&report);
}

#[test]
fn a_successor_that_is_killed_before_it_serves_is_followed_at_once() {
    let _machine = alone();
    let (daemon, sockets) = serve(250);
    let herd = QemuClients::start(sockets, Duration::from_millis(50)).unwrap();
    std::thread::sleep(KEPT);
    let between = HandoverProxy::stand(&daemon.host().run_dir().join("handover.sock"));
    let killing = between.kill_at(b'D', daemon.supervisor());
    daemon.signal(Signal::USR2).unwrap();
    killing.join().unwrap();
    daemon.wait_for("died before it served").unwrap();
    daemon.wait_for("ready").unwrap();
    std::thread::sleep(AFTER_A_WORKER);
    let report = herd.stop().unwrap();
    println!("{report:?}");
    assert_eq!(report.ended, 0, "connections were closed");
    assert!(report.longest <= AFTER_A_CRASH, "{report:?}");
    healthy(&report);
}

/// Waits until that worker is the only one.
fn only(daemon: &Daemon, worker: u32) {
    for _ in 0..3_000 {
        let workers = daemon.supervisor().children().unwrap();
        if workers.iter().map(|worker| worker.id()).eq([worker]) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("worker {worker} is not the only one");
}

/// `pause=12.345678ms` of the line that a successor logs.
fn pause(line: &str) -> Duration {
    let text = line.split("pause=").nth(1).unwrap().split_whitespace().next().unwrap();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap();
    let number: f64 = text[..split].parse().unwrap();
    match &text[split..] {
        "s" => Duration::from_secs_f64(number),
        "ms" => Duration::from_secs_f64(number / 1e3),
        _ => Duration::from_secs_f64(number / 1e6),
    }
}
