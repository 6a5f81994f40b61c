//! Which VM gets how much, and when.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use entropool_dataplane::AttachRequest;
use htb::Rate;
use htb::pool::ClassParams;

use crate::clock::Stopwatch;
use crate::rig::{Rig, UNBOUND, class, exchange, pool, shape, silent, vm};

/// A thousand requests of 255 bytes.
const FLOOD: [u8; 2000] = {
    let mut flood = [255; 2000];
    let mut at = 0;
    while at < 2000 {
        flood[at] = 2;
        at += 2;
    }
    flood
};

/// Bytes received, and when the read began and ended: they arrived in between.
struct Arrival {
    before: Duration,
    after: Duration,
    bytes: f64,
}

/// Reads for this long.
fn read_for(mut socket: &UnixStream, time: Duration) -> Vec<Arrival> {
    let (clock, mut arrivals, mut buffer) = (Stopwatch::start(), Vec::new(), [0; 4096]);
    loop {
        let before = clock.elapsed();
        if before >= time {
            return arrivals;
        }
        let count = socket.read(&mut buffer).unwrap();
        let bytes = f64::from(u32::try_from(count).unwrap());
        arrivals.push(Arrival { before, after: clock.elapsed(), bytes });
    }
}

fn total(arrivals: &[Arrival]) -> f64 {
    arrivals.iter().map(|arrival| arrival.bytes).sum()
}

#[test]
fn a_leaf_of_8000_bytes_a_second_keeps_its_envelope_in_every_window() {
    const RATE: f64 = 8000.0;
    let mut only = class("only", Rate::per_second(8000));
    only.per_vm.rate = Rate::per_second(8000);
    only.shape.rate = Rate::per_second(8000);
    let rig = Rig::new(pool("default", UNBOUND, vec![only]));
    let mut socket = rig.client("vm");
    socket.write_all(&FLOOD).unwrap();
    let cburst = 1024.0;
    let arrivals = read_for(&socket, Duration::from_secs(3));
    // No window has more than ceil·T + cburst + 255: not even one that begins just before its first bytes arrive,
    // and ends when the read of its last begins.
    let mut sent = 0.0;
    let mut earliest = f64::MAX;
    for arrival in &arrivals {
        earliest = earliest.min(sent - RATE * arrival.before.as_secs_f64());
        sent += arrival.bytes;
        let window = sent - RATE * arrival.after.as_secs_f64() - earliest;
        assert!(window <= cburst + 255.0, "{window} bytes beyond ceil·T");
    }
    // And in total not less than rate·T − 255: the burst makes up for delays of a busy machine.
    let due = RATE * arrivals.last().unwrap().before.as_secs_f64();
    assert!(sent >= due - 255.0, "{sent} bytes of {due}");
}

/// Bytes that one flooding VM of each class gets of a pool of `ceil` after the bursts.
fn shares(ceil: u64, classes: Vec<ClassParams>) -> Vec<f64> {
    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    let rig = Rig::new(pool("default", Rate::per_second(ceil), classes));
    let sockets: Vec<UnixStream> = names
        .iter()
        .map(|name| {
            let mut attach = vm(name);
            attach.class = Some(name.clone());
            rig.data_plane.attach(attach).unwrap();
            rig.connect(name)
        })
        .collect();
    for mut socket in &sockets {
        socket.write_all(&FLOOD).unwrap();
    }
    std::thread::scope(|scope| {
        let readers =
            sockets.iter().map(|socket| scope.spawn(move || read_for(socket, Duration::from_secs(2))));
        let readers: Vec<_> = readers.collect();
        readers.into_iter().map(|reader| total(&reader.join().unwrap())).collect()
    })
}

#[test]
fn two_vms_share_a_pool_in_halves() {
    let shares = shares(64 << 10, vec![class("a", UNBOUND), class("b", UNBOUND)]);
    assert!((0.9..1.1).contains(&(shares[0] / shares[1])), "{shares:?}");
}

#[test]
fn weights_share_what_is_borrowed() {
    let (mut heavy, light) = (class("heavy", UNBOUND), class("light", UNBOUND));
    heavy.weight = 300;
    let shares = shares(64 << 10, vec![heavy, light]);
    let ratio = shares[0] / shares[1];
    assert!((2.7..3.3).contains(&ratio), "{shares:?}");
}

/// The answer to a 0x01.
fn try_read(socket: &mut UnixStream, bytes: u8) -> usize {
    let count = usize::from(exchange(socket, &[1, bytes], 1)[0]);
    socket.read_exact(&mut [0; 255][..count]).unwrap();
    count
}

#[test]
fn a_non_blocking_read_is_answered_after_a_tenth_of_a_second_with_what_it_then_has() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]));
    let mut socket = rig.client("vm");
    let clock = Stopwatch::start();
    let got: usize = (0..5).map(|_| try_read(&mut socket, 255)).sum();
    assert_eq!(got, 5 * 255, "the burst, and what the last read may take beyond it");
    assert!(clock.elapsed() < Duration::from_millis(90), "{:?}", clock.elapsed());
    let clock = Stopwatch::start();
    // It is read while it waits: the level comes after the first answer and before the second.
    assert_eq!(exchange(&mut socket, &[1, 9, 0, 1, 9], 6), [0; 6], "no tokens are left");
    let waited = clock.elapsed();
    assert!(waited >= Duration::from_millis(200) && waited < Duration::from_millis(600), "{waited:?}");
    assert_eq!((rig.vm("vm").node.stats.backlog, rig.vm("vm").waiting), (0, None));
}

#[test]
fn a_non_blocking_read_waits_for_its_turn() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(2550))]));
    let mut socket = rig.client("vm");
    exchange(&mut socket, &[2, 255].repeat(5), 5 * 255);
    let clock = Stopwatch::start();
    assert_eq!(try_read(&mut socket, 100), 100);
    assert!(clock.elapsed() >= Duration::from_millis(50), "{:?}", clock.elapsed());
}

#[test]
fn a_vm_gets_its_rate_by_non_blocking_reads_beside_floods_in_its_class_and_its_pool() {
    let mut gold = class("gold", UNBOUND);
    // All of it is assured to the two.
    gold.shape = shape(Rate::per_second(16 << 10), Rate::per_second(16 << 10));
    gold.per_vm.rate = Rate::per_second(1 << 10);
    let other = class("other", UNBOUND);
    let rig = Rig::new(pool("default", Rate::per_second(64 << 10), vec![gold, other]));
    let floods = [("a", "gold"), ("b", "gold"), ("c", "other")].map(|(id, name)| {
        rig.data_plane.attach(AttachRequest { class: Some(name.to_owned()), ..vm(id) }).unwrap();
        rig.connect(id)
    });
    let mut modest = rig.client("modest");
    for mut flood in &floods {
        flood.write_all(&FLOOD).unwrap();
    }
    std::thread::scope(|scope| {
        for flood in &floods {
            scope.spawn(|| read_for(flood, Duration::from_secs(3)));
        }
        let (clock, mut got) = (Stopwatch::start(), 0);
        while clock.elapsed() < Duration::from_secs(2) {
            got += try_read(&mut modest, 64);
        }
        assert!(got >= 2 * 1024 - 255, "{got} bytes in 2 s, and 1 KiB/s is assured");
    });
}

#[test]
fn requests_behind_one_that_waits_are_answered_after_it() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(2550))]));
    let mut socket = rig.client("vm");
    exchange(&mut socket, &[2, 255, 2, 255, 2, 255, 2, 255, 2, 255], 5 * 255);
    let reply = exchange(&mut socket, &[2, 255, 1, 0, 2, 255, 1, 0], 512);
    assert_eq!((reply[255], reply[511]), (0, 0));
}

#[test]
fn connections_of_one_vm_share_its_leaf_in_turns() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(32 << 10))]));
    let first = rig.client("vm");
    let second = rig.connect("vm");
    for mut socket in [&first, &second] {
        socket.write_all(&FLOOD).unwrap();
    }
    let shares = std::thread::scope(|scope| {
        let readers = [&first, &second]
            .map(|socket| scope.spawn(move || total(&read_for(socket, Duration::from_secs(1)))));
        readers.map(|reader| reader.join().unwrap())
    });
    assert!((0.9..1.1).contains(&(shares[0] / shares[1])), "{shares:?}");
}

#[test]
fn a_waiting_vm_is_served_when_it_is_moved_to_a_faster_class() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1)), class("fast", UNBOUND)]));
    let mut socket = rig.client("vm");
    socket.write_all(&FLOOD[..20]).unwrap();
    socket.read_exact(&mut [0; 5 * 255]).unwrap();
    let waiting = rig.until("a wait", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    let vm = &waiting.pools[0].vms[0];
    assert_eq!(
        vm.waiting.as_ref().unwrap().limit,
        entropool_dataplane::LimitAt::Ceil(entropool_dataplane::Level::Vm)
    );
    assert_eq!(vm.owed, 5 * 255);
    let before = vm.node.stats.bytes;
    rig.data_plane.move_vm("vm", "fast").unwrap();
    socket.read_exact(&mut [0; 5 * 255]).unwrap();
    let after = rig.vm("vm");
    assert_eq!((after.class.as_str(), after.node.stats.bytes), ("fast", before + 5 * 255));
    assert_eq!(after.waiting, None);
}

#[test]
fn a_waiting_vm_is_served_when_its_class_becomes_faster() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("only", Rate(1))]));
    let mut socket = rig.client("vm");
    socket.write_all(&FLOOD[..20]).unwrap();
    socket.read_exact(&mut [0; 5 * 255]).unwrap();
    assert!(silent(&socket, Duration::from_millis(50)));
    rig.data_plane.apply(vec![pool("default", UNBOUND, vec![class("only", UNBOUND)])]).unwrap();
    socket.read_exact(&mut [0; 5 * 255]).unwrap();
}

#[test]
fn an_honest_vm_is_served_in_time_while_two_hundred_flood() {
    let mut honest = class("honest", UNBOUND);
    (honest.shape.rate, honest.per_vm.rate) = (Rate::per_second(16 << 10), Rate::per_second(4 << 10));
    let rig = Rig::new(pool("default", Rate::per_second(1 << 20), vec![class("flood", UNBOUND), honest]));
    let floods: Vec<UnixStream> = (0..200).map(|number| rig.client(&format!("flood-{number}"))).collect();
    for mut flood in &floods {
        flood.write_all(&FLOOD).unwrap();
    }
    let mut attach = vm("honest");
    attach.class = Some("honest".to_owned());
    rig.data_plane.attach(attach).unwrap();
    let mut socket = rig.connect("honest");
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            silent(&socket, Duration::from_millis(5));
            let clock = Stopwatch::start();
            exchange(&mut socket, &[2, 16], 16);
            clock.elapsed()
        })
        .collect();
    times.sort();
    // The loop takes tens of microseconds of it; the rest is due to a busy machine.
    assert!(times[180] <= Duration::from_millis(5), "p90 is {:?}, p50 {:?}", times[180], times[100]);
}
