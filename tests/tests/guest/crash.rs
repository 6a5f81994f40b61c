//! A guest that reads while the daemon dies.

use std::time::Duration;

use entropool_tests::console::Count;
use entropool_tests::host::vacant_port;
use entropool_tests::{Daemon, Guest, GuestTask, Host, Image, binary};
use rustix::process::{Signal, kill_process};
use soak::Run;

use crate::{TWO_CLASSES, alone, start};

/// Time that passes in the guest between two crashes, and after the last.
const BETWEEN: Duration = Duration::from_secs(4);
/// Time in the guest between two counts.
const LOOK: Duration = Duration::from_millis(100);
/// How long a read may wait for a process that died.
const AFTER: Duration = Duration::from_millis(500);
/// How long a worker may stand still.
const FOUND_OUT: Duration = Duration::from_secs(10);

#[test]
fn no_read_in_a_guest_outlasts_a_crash_by_long() {
    let _machine = alone();
    let mut run = Run::begin("kills-under-guests", 12, 1_000);
    let vms = ["web-1", "web-2", "web-3", "web-4"];
    let daemon =
        start(&["web-1=default/gold", "web-2=default/bronze", "web-3=default/gold", "web-4=default/bronze"]);
    let image = Image::build().unwrap();
    let guests = vms.map(|vm| Guest::boot(&image, &daemon.socket(vm), GuestTask::Watch).unwrap());
    let mut counts = guests.each_ref().map(watch);

    for _ in 0..run.count() {
        daemon.crash().unwrap();
        for (guest, counts) in guests.iter().zip(&mut counts) {
            counts.extend(watch(guest));
        }
    }

    let longest = counts.map(|counts| longest_wait(&counts));
    println!("the longest waits in {} crashes: {longest:?}", run.count());
    run.figure(
        "longest_wait_ms",
        longest.iter().max().map(|longest| u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)),
    );
    assert!(longest.iter().all(|longest| *longest <= AFTER + 2 * LOOK), "{longest:?}");
    let hung = guests_of_one_that_hangs(&daemon, &guests);
    println!("the longest waits where a worker stands still: {hung:?}");
    assert!(hung.iter().all(|longest| *longest <= FOUND_OUT + AFTER), "{hung:?}");
}

/// The longest waits while a worker stands still, is found out and killed, and followed by the next.
fn guests_of_one_that_hangs(daemon: &Daemon, guests: &[Guest; 4]) -> [Duration; 4] {
    kill_process(daemon.process().unwrap().pid().unwrap(), Signal::STOP).unwrap();
    daemon.wait_for("WorkerHangs").unwrap();
    daemon.wait_for("ready").unwrap();
    // What they counted meanwhile waits to be heard.
    guests.each_ref().map(|guest| longest_wait(&(0..4).flat_map(|_| watch(guest)).collect::<Vec<_>>()))
}

#[test]
fn no_read_in_a_guest_waits_half_a_second_for_a_planned_restart() {
    let _machine = alone();
    let daemon = start(&["web-1=default/gold"]);
    let guest = Guest::boot(&Image::build().unwrap(), &daemon.socket("web-1"), GuestTask::Watch).unwrap();
    let mut counts = watch(&guest);
    for _ in 0..8 {
        daemon.signal(Signal::USR2).unwrap();
        daemon.wait_for("took over").unwrap();
        daemon.wait_for("ready").unwrap();
        counts.extend((0..5).map(|_| guest.count().unwrap()));
    }
    counts.extend(watch(&guest));
    let longest = longest_wait(&counts);
    println!("the longest wait in 8 planned restarts: {longest:?}, two looks included");
    assert!(longest <= Duration::from_millis(500) + 2 * LOOK, "{longest:?}");
}

#[test]
fn a_guest_on_a_port_reads_on_as_well() {
    let _machine = alone();
    let port = vacant_port().unwrap();
    let host = Host::new(binary::entropool().unwrap(), TWO_CLASSES).unwrap();
    let daemon = Daemon::start_with(host, &["--tcp", &format!("{port}=default/gold,client=qemu")]).unwrap();
    let guest = Guest::boot_on_port(&Image::build().unwrap(), port, GuestTask::Watch).unwrap();
    let mut counts = watch(&guest);
    let rate = counts[counts.len() - 1].bytes - counts[0].bytes;
    assert!(rate > 16 * 1024, "its assured 16 KiB/s and some: {rate} bytes in {BETWEEN:?}");

    daemon.crash().unwrap();
    counts.extend(watch(&guest));

    let longest = longest_wait(&counts);
    println!("the longest wait in a crash, over TCP: {longest:?}");
    assert!(longest <= AFTER + 2 * LOOK, "{longest:?}");
}

#[test]
fn without_unasked_bytes_a_read_outlasts_a_crash() {
    let _machine = alone();
    let mut daemon = start(&["web-1=default/gold,client=egd"]);
    let guest = Guest::boot(&Image::build().unwrap(), &daemon.socket("web-1"), GuestTask::Watch).unwrap();
    watch(&guest);

    daemon.restart().unwrap();
    // The guest is heard for a while yet of the time before that.
    watch(&guest);
    let silence = watch(&guest);
    assert_eq!(silence.first().unwrap().bytes, silence.last().unwrap().bytes);
}

/// What the guest counts from now on.
fn watch(guest: &Guest) -> Vec<Count> {
    let mut counts = vec![guest.count().unwrap()];
    while counts[counts.len() - 1].uptime.saturating_sub(counts[0].uptime) < BETWEEN {
        counts.push(guest.count().unwrap());
    }
    counts
}

/// The longest time between two reads: too long by up to two counts, never too short.
fn longest_wait(counts: &[Count]) -> Duration {
    let (mut since, mut longest) = (counts[0].uptime, Duration::ZERO);
    for pair in counts.windows(2) {
        longest = longest.max(pair[1].uptime.saturating_sub(since));
        if pair[1].bytes > pair[0].bytes {
            since = pair[0].uptime;
        }
    }
    longest
}
