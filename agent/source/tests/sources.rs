//! Real sources, real threads: devices, upstreams and files behind supplies.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::time::{ClockId, clock_gettime};
use source::health::{HealthState, MinEntropy};
use source::{
    OnFailure, Output, Permissions, PoolSpec, PoolStatus, Serving, SourceKind, SourceSpec, Sources, Supply,
};

fn clock() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

fn allowing(devices: &[&str], upstreams: &[&str]) -> Permissions {
    Permissions {
        devices: devices.iter().map(Into::into).collect(),
        upstreams: upstreams.iter().map(|name| (*name).to_owned()).collect(),
        test_sources: true,
    }
}

fn device(path: &str) -> SourceKind {
    SourceKind::Device(path.into())
}

fn source(kind: SourceKind) -> SourceSpec {
    SourceSpec {
        name: "noise".into(),
        kind,
        tier: 0,
        min_entropy: Some(MinEntropy::FULL_BYTE),
        credit_nested: false,
        block_tests: false,
    }
}

fn pool(output: Output, kinds: &[SourceKind]) -> PoolSpec {
    let sources = kinds.iter().cloned().map(source).collect();
    PoolSpec { name: "default".into(), sources, output, min_healthy: 1, on_failure: OnFailure::Hold }
}

/// A supply and its waker's channel.
fn supply(sources: &Sources, spec: &PoolSpec) -> (Supply, Receiver<()>) {
    let (waker, woken) = channel();
    (sources.supply(spec, move || waker.send(()).unwrap_or(())).unwrap(), woken)
}

/// Draws as the event loop does: checks the level, and waits to be woken when it is too low.
fn draw((supply, woken): &mut (Supply, Receiver<()>), count: usize) -> Vec<u8> {
    let mut drawn = vec![];
    while drawn.len() < count {
        if supply.level() == 0 {
            woken.recv_timeout(Duration::from_secs(20)).expect("bytes within twenty seconds");
            continue;
        }
        let most = count - drawn.len();
        supply
            .with_bytes(most, |bytes| {
                drawn.extend(bytes);
                Ok(bytes.len())
            })
            .unwrap();
    }
    drawn
}

fn assert_all_different(bytes: &[u8]) {
    let windows: HashSet<&[u8]> = bytes.windows(16).collect();
    assert_eq!(windows.len() + 15, bytes.len(), "some 16 bytes came twice");
}

/// Waits until the status of a pool satisfies `what`.
fn until(sources: &Sources, mut what: impl FnMut(&PoolStatus) -> bool) {
    let end = clock() + 20_000_000_000;
    while !sources.status().iter().any(&mut what) {
        assert!(clock() < end, "{:?}", sources.status());
        std::thread::yield_now();
    }
}

/// A tiny EGD server that answers 0x02 from the kernel, for one connection.
fn serve(mut peer: impl Read + Write) {
    let mut request = [0; 2];
    let mut random = std::fs::File::open("/dev/urandom").unwrap();
    while peer.read_exact(&mut request).is_ok() && request[0] == 2 {
        let mut answer = vec![0; request[1].into()];
        random.read_exact(&mut answer).unwrap();
        if peer.write_all(&answer).is_err() {
            return;
        }
    }
}

/// A device of good bytes: a terminal, with a thread that sends them while it is open.
fn noise_device() -> PathBuf {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, vec![]).unwrap().into_string().unwrap();
    let mut master = std::fs::File::from(master);
    // A terminal that nobody has open takes some kilobytes, and the thread waits until somebody reads.
    std::thread::spawn(move || {
        let mut random = std::fs::File::open("/dev/urandom").unwrap();
        let mut bytes = [0; 2048];
        loop {
            random.read_exact(&mut bytes).unwrap();
            if master.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    path.into()
}

fn file_of(folder: &Path, count: usize) -> (SourceKind, Vec<u8>) {
    let mut bytes = vec![0; count];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    let path = folder.join("bytes");
    std::fs::write(&path, &bytes).unwrap();
    (SourceKind::File(path), bytes)
}

#[test]
fn a_device_serves_every_output() {
    let path = noise_device();
    let sources = Sources::new(allowing(&[path.to_str().unwrap()], &[]), clock);
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let mut supply = supply(&sources, &pool(output, &[SourceKind::Device(path.clone())]));
        assert_all_different(&draw(&mut supply, 300_000));
        assert!(supply.0.locked() || rlimit_is_small());
        let status = &sources.status()[0];
        assert_eq!((status.serving, status.promised), (Serving::Promised, output));
    }
}

fn rlimit_is_small() -> bool {
    rustix::process::getrlimit(rustix::process::Resource::Memlock)
        .current
        .is_some_and(|limit| limit < 1 << 20)
}

#[test]
fn upstreams_on_unix_and_tcp_are_drawn_from_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("egd.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let servers = [
        std::thread::spawn(move || serve(unix.accept().unwrap().0)),
        std::thread::spawn(move || serve(tcp.accept().unwrap().0)),
    ];
    let sources = Sources::new(allowing(&[], &[path.to_str().unwrap(), &address]), clock);
    let mut spec = pool(Output::FullEntropy, &[SourceKind::EgdUnix(path), SourceKind::EgdTcp(address)]);
    spec.min_healthy = 2;
    let mut supply = supply(&sources, &spec);
    assert_all_different(&draw(&mut supply, 100_000));
    let status = &sources.status()[0];
    assert!(status.sources.iter().all(|source| source.stats.bytes_credited > 10_000), "{status:?}");
    drop((supply, sources));
    for server in servers {
        server.join().unwrap();
    }
}

#[test]
fn a_pool_holds_while_its_upstream_is_away_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("egd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let sources = Sources::new(allowing(&[], &[path.to_str().unwrap()]), clock);
    let mut supply = supply(&sources, &pool(Output::FullEntropy, &[SourceKind::EgdUnix(path)]));
    for lost in 0..3 {
        let peer = listener.accept().unwrap().0;
        let control = peer.try_clone().unwrap();
        let server = std::thread::spawn(move || serve(peer));
        assert_all_different(&draw(&mut supply, 20_000));
        control.shutdown(std::net::Shutdown::Both).unwrap();
        server.join().unwrap();
        until(&sources, |status| {
            draw_some(&mut supply.0);
            status.sources[0].stats.lost > lost
        });
        // The listener's backlog takes the next connection, on which nothing comes for now.
        until(&sources, |status| draw_some(&mut supply.0) == 0 && status.serving == Serving::Held);
    }
}

#[test]
fn an_upstream_that_closes_is_noticed_at_once_though_nothing_is_drawn() {
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("egd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let sources = Sources::new(allowing(&[], &[path.to_str().unwrap()]), clock);
        let _supply = supply(&sources, &pool(output, &[SourceKind::EgdUnix(path)]));
        let peer = listener.accept().unwrap().0;
        let control = peer.try_clone().unwrap();
        let server = std::thread::spawn(move || serve(peer));
        until(&sources, |status| status.bytes_out >= 4000);
        let closed = clock();
        control.shutdown(std::net::Shutdown::Both).unwrap();
        until(&sources, |status| status.sources[0].stats.lost > 0);
        assert!(clock() - closed < 5_000_000_000, "{output:?}");
        server.join().unwrap();
    }
}

/// Draws what is available at once.
fn draw_some(supply: &mut Supply) -> usize {
    supply.with_bytes(1024, |bytes| Ok(bytes.len())).unwrap_or(0)
}

#[test]
fn a_file_is_served_once_and_never_from_its_start_again() {
    let folder = tempfile::tempdir().unwrap();
    let (kind, bytes) = file_of(folder.path(), 50_000);
    let sources = Sources::new(allowing(&[], &[]), clock);
    let mut at = 0;
    for _ in 0..2 {
        let mut supply = supply(&sources, &pool(Output::Raw, std::slice::from_ref(&kind)));
        let drawn = draw(&mut supply, 5000);
        let found = bytes.windows(32).position(|window| *window == drawn[..32]).unwrap();
        assert_eq!(drawn, bytes[found..found + 5000]);
        assert!(found >= at + 1024, "after the samples of its start-up test");
        at = found + 5000;
        drop(supply);
    }
    let mut supply = supply(&sources, &pool(Output::Raw, &[kind]));
    until(&sources, |status| {
        draw_some(&mut supply.0);
        status.sources[0].reason == Some("EndOfFile")
    });
}

#[test]
fn a_source_that_is_not_permitted_is_not_opened_and_says_why() {
    let sources = Sources::new(Permissions::default(), clock);
    let (supply, _woken) = supply(&sources, &pool(Output::FullEntropy, &[device("/dev/urandom")]));
    until(&sources, |status| status.serving == Serving::Held);
    let status = &sources.status()[0].sources[0];
    assert_eq!((status.state, status.reason), (HealthState::Failed, Some("SourceNotPermitted")));
    assert!(status.message.contains("--allow-device /dev/urandom"), "{}", status.message);
    assert_eq!(supply.level(), 0);
}

#[test]
fn the_kernel_s_generator_as_a_device_is_refused_and_says_what_to_write() {
    let sources = Sources::new(allowing(&["/dev/urandom"], &[]), clock);
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let (supply, _woken) = supply(&sources, &pool(output, &[device("/dev/urandom")]));
        until(&sources, |status| status.serving == Serving::Held);
        let status = &sources.status()[0];
        assert!(
            status.message.contains("source noise is unavailable (DeterministicGenerator)"),
            "{status:?}"
        );
        let source = &status.sources[0];
        assert!(
            source.message.starts_with("/dev/urandom is the kernel's generator (1:9), a DRBG"),
            "{source:?}"
        );
        assert_eq!((supply.level(), source.stats.bytes_in), (0, 0));
    }
}

#[test]
fn one_device_by_two_names_is_one_of_the_two_that_must_be_healthy() {
    let (path, folder) = (noise_device(), tempfile::tempdir().unwrap());
    let link = folder.path().join("trng");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let sources = Sources::new(allowing(&[path.to_str().unwrap(), link.to_str().unwrap()], &[]), clock);
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let mut spec = pool(output, &[SourceKind::Device(path.clone()), SourceKind::Device(link.clone())]);
        (spec.sources[1].name, spec.min_healthy) = ("second".into(), 2);
        let (supply, _woken) = supply(&sources, &spec);
        // A terminal is exclusive: without privileges its second opening fails, which is as good.
        until(&sources, |status| status.serving == Serving::Held && status.healthy == 1);
        let status = &sources.status()[0];
        assert_eq!((status.healthy, supply.level()), (1, 0), "{status:?}");
        let source = &status.sources[1];
        if source.reason == Some("ReadError") {
            println!("NOT RUN: a terminal is opened twice by root only");
            continue;
        }
        assert_eq!((source.state, source.reason), (HealthState::Unavailable, Some("DuplicateSource")));
        assert!(source.message.starts_with("it is the same source as noise (device 136:"), "{source:?}");
        assert_eq!(source.details.as_deref(), path.to_str(), "where the link leads");
    }
}

#[test]
fn a_pool_of_the_kernel_alone_needs_no_thread() {
    let sources = Sources::new(Permissions::default(), clock);
    let (supply, _woken) = supply(&sources, &pool(Output::Stretched, &[SourceKind::Kernel]));
    assert_eq!(supply.level(), u64::MAX);
    assert!(sources.status().is_empty());
}

#[test]
fn a_pool_that_could_never_serve_is_refused() {
    let sources = Sources::new(Permissions::default(), clock);
    let error = |spec: &PoolSpec| sources.supply(spec, || ()).unwrap_err().to_string();
    assert_eq!(
        error(&pool(Output::FullEntropy, &[SourceKind::Kernel])),
        "pool default promises more than Stretched and has no noise source with minEntropyPerByte"
    );
    let mut spec = pool(Output::Raw, &[device("/dev/hwrng"), SourceKind::Kernel]);
    spec.min_healthy = 2;
    assert_eq!(
        error(&spec),
        "pool default can never serve: 2 sources must be healthy, and its output may rest on 1 of them"
    );
    spec.min_healthy = 1;
    for thousandths in [1, 6000] {
        spec.sources[0].min_entropy = MinEntropy::from_thousandths(thousandths);
        assert!(Sources::check(&spec).is_ok(), "Raw is for whatever a source honestly has");
    }
}

#[test]
fn the_processor_is_a_source_or_has_no_rdseed() {
    let sources = Sources::new(Permissions::default(), clock);
    let mut supply = supply(&sources, &pool(Output::FullEntropy, &[SourceKind::Rdseed]));
    until(&sources, |status| status.sources[0].state != HealthState::Starting);
    let status = &sources.status()[0].sources[0];
    if status.state == HealthState::Healthy {
        assert_all_different(&draw(&mut supply, 10_000));
    } else {
        println!("NOT RUN: {}", status.message);
        assert_eq!(status.message, "this processor has no RDSEED");
    }
}

#[test]
fn a_retest_by_name_reaches_the_source() {
    let sources = Sources::new(allowing(&["/dev/zero"], &[]), clock);
    let (_supply, _woken) = supply(&sources, &pool(Output::FullEntropy, &[device("/dev/zero")]));
    let failures = |status: &PoolStatus| status.sources[0].stats.repetition_count;
    until(&sources, |status| status.sources[0].state == HealthState::Failed);
    for (name, reached) in [("noise", 1), ("default/noise", 1), ("other/noise", 0), ("other", 0)] {
        let before = failures(&sources.status()[0]);
        assert_eq!(sources.retest(name), reached, "{name}");
        until(&sources, |status| failures(status) == before + reached as u64);
    }
}

#[test]
fn a_pool_ends_with_its_supply_and_all_of_them_with_the_node() {
    let path = noise_device();
    let kind = SourceKind::Device(path.clone());
    let sources = Sources::new(allowing(&[path.to_str().unwrap()], &[]), clock);
    let mut first = supply(&sources, &pool(Output::Raw, std::slice::from_ref(&kind)));
    let second = supply(&sources, &pool(Output::FullEntropy, &[kind]));
    draw(&mut first, 1000);
    assert_eq!(sources.status().len(), 2);
    drop(second);
    assert_eq!(sources.status().len(), 1);
    draw(&mut first, 100_000);
    drop(sources);
    // Bytes already made are still served, and then none.
    let left: usize = std::iter::repeat_with(|| draw_some(&mut first.0)).take_while(|count| *count > 0).sum();
    assert!(left < 16_384);
}
