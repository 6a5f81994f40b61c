#![allow(clippy::unwrap_used)]
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, Timespec, poll};

use super::*;

/// Reads as a sampler does: waits for the socket, not for the clock.
fn read_when_ready(upstream: &mut Upstream, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match upstream.read(space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(upstream),
            answer => return answer,
        }
    }
}

fn wait(upstream: &Upstream) {
    let (socket, flags) = upstream.readiness().unwrap();
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::from_borrowed_fd(socket, flags)], Some(&patience)).unwrap(), 1);
}

/// A connection and the server's end of it.
fn connected() -> (Upstream, std::os::unix::net::UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("egd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let upstream = Upstream::connect_unix(&path, &OwnSockets::default()).unwrap();
    (upstream, listener.accept().unwrap().0)
}

fn would_block(answer: io::Result<usize>) -> bool {
    answer.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Serves every request it gets with a count, cut into pieces of seven bytes.
fn serve(mut peer: impl Read + Write) {
    let (mut request, mut next) = ([0; 2], 0_u8);
    while peer.read_exact(&mut request).is_ok() {
        assert_eq!(request[0], READ_BLOCKING);
        let answer: Vec<u8> = (0..request[1]).map(|at| next.wrapping_add(at)).collect();
        next = next.wrapping_add(request[1]);
        for piece in answer.chunks(7) {
            if peer.write_all(piece).is_err() {
                return;
            }
        }
    }
}

fn reads_an_orderly_stream(mut upstream: Upstream) {
    let (mut got, mut space) = (Vec::<u8>::new(), [0; 300]);
    while got.len() < 10_000 {
        let count = read_when_ready(&mut upstream, &mut space).unwrap();
        assert!(count > 0);
        got.extend(&space[..count]);
        assert!(upstream.pending <= usize::from(REQUEST) * PIPELINE);
    }
    assert!(got.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 256));
}

#[test]
fn a_server_on_a_unix_socket_is_read() {
    let (upstream, peer) = connected();
    let server = std::thread::spawn(|| serve(peer));
    reads_an_orderly_stream(upstream);
    server.join().unwrap();
}

#[test]
fn a_server_over_tcp_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    reads_an_orderly_stream(Upstream::connect_tcp(&address, &OwnSockets::default()).unwrap());
    server.join().unwrap();
}

#[test]
fn no_more_is_requested_than_there_is_room_for() {
    let (mut upstream, mut peer) = connected();
    assert!(would_block(upstream.read(&mut [0; 100])));
    let mut requests = [0; 100];
    assert_eq!(peer.read(&mut requests).unwrap(), 4, "two requests of 64");
    assert_eq!(requests[..4], [READ_BLOCKING, REQUEST, READ_BLOCKING, REQUEST]);
    assert!(would_block(upstream.read(&mut [0; 100])));
    assert!(would_block(upstream.read(&mut [0; 10_000])));
    assert_eq!(
        peer.read(&mut requests).unwrap(),
        2 * (PIPELINE - 2),
        "the rest of the pipeline, nothing twice"
    );
}

#[test]
fn unsolicited_bytes_are_discarded_and_tell_that_the_server_is_an_entropool() {
    let (mut upstream, mut peer) = connected();
    let this = std::env::current_exe().unwrap();
    let program = this.file_name().unwrap().to_str().unwrap();
    assert_eq!(upstream.provenance().details().unwrap(), program);
    assert_eq!(upstream.provenance().no_credit(), None);
    peer.write_all(&[7; 64]).unwrap();
    let mut space = [0; 64];
    assert!(would_block(upstream.read(&mut space)));
    peer.write_all(&[9; 64]).unwrap();
    assert_eq!((upstream.read(&mut space).unwrap(), space), (64, [9; 64]));
    assert_eq!(upstream.provenance().details().unwrap(), format!("{program}, nested"));
    assert!(
        upstream.provenance().no_credit().unwrap().contains("unless the pool has egd.creditNested: true")
    );
}

#[test]
fn unsolicited_bytes_that_come_with_an_answer_do_no_harm() {
    let (mut upstream, peer) = connected();
    let mut control = peer.try_clone().unwrap();
    assert!(would_block(upstream.read(&mut [0; 64])));
    control.write_all(&[7; 64]).unwrap();
    let server = std::thread::spawn(|| serve(peer));
    let (mut got, mut space) = (0, [0; 64]);
    while got < 10_000 {
        got += read_when_ready(&mut upstream, &mut space).unwrap();
    }
    assert!(upstream.unsolicited <= 64, "the others were counted as answers");
    drop((upstream, control));
    server.join().unwrap();
}

#[test]
fn a_server_that_sends_too_many_unsolicited_bytes_is_refused() {
    let (mut upstream, mut peer) = connected();
    let mut space = [0; 64];
    assert!(would_block(upstream.read(&mut space)));
    peer.write_all(&[7; 64 + MOST_UNSOLICITED]).unwrap();
    assert_eq!(upstream.read(&mut space).unwrap(), 64);
    assert!(would_block(upstream.read(&mut space)), "the rest is discarded");
    peer.write_all(&[7; 65]).unwrap();
    assert_eq!(upstream.read(&mut space).unwrap(), 64);
    let error = upstream.read(&mut space).unwrap_err();
    assert_eq!(error.to_string(), "the EGD server sent more than 255 unsolicited bytes");
}

#[test]
fn a_socket_of_the_daemon_itself_is_refused_by_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let vms = folder.path().join("vm");
    std::fs::create_dir_all(vms.join("web-1")).unwrap();
    let (path, link) = (vms.join("web-1/egd.sock"), folder.path().join("link"));
    let _listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let own = OwnSockets::in_directory(vms);
    for path in [path, link] {
        let error = Upstream::connect_unix(&path, &own).unwrap_err();
        assert_eq!(error.failure(), crate::health::ReadFailure::OwnSocket);
        let expected = "is a socket of this daemon, which cannot draw from itself: name another server";
        assert_eq!(error.to_string(), format!("{} {expected}", path.display()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let error = Upstream::connect_tcp(&address, &own).unwrap_err();
    assert_eq!(error.failure(), crate::health::ReadFailure::OwnSocket);
}

#[test]
fn one_server_by_two_names_is_one_source() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("egd.sock"), folder.path().join("link"));
    let _listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let [one, other] =
        [&path, &link].map(|path| Upstream::connect_unix(path, &OwnSockets::default()).unwrap().provenance());
    assert!(one.is_same_source(&other), "{one:?} {other:?}");
    let other = connected().0.provenance();
    assert!(!one.is_same_source(&other), "{one:?} {other:?}");
}

#[test]
fn a_server_that_disconnects_is_an_end_or_an_error() {
    let (mut upstream, peer) = connected();
    let mut space = [0; 64];
    assert!(would_block(upstream.read(&mut space)));
    drop(peer);
    assert!(matches!(upstream.read(&mut space), Ok(0) | Err(_)));
    assert_eq!(space, [0; 64]);
}

#[test]
fn a_server_that_reads_nothing_does_not_block() {
    let (mut upstream, _peer) = connected();
    for _ in 0..10_000 {
        assert!(would_block(upstream.read(&mut [0; 4096])));
    }
}

#[test]
fn a_missing_server_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let error = Upstream::connect_unix(&path, &OwnSockets::default()).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{} cannot be connected to: No such file", path.display())),
        "{error}"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    // Refused at once or, if the connection is under way, at the first read.
    let refused = match Upstream::connect_tcp(&address, &OwnSockets::default()) {
        Err(error) => error.to_string(),
        Ok(mut upstream) => read_when_ready(&mut upstream, &mut [0; 64]).unwrap_err().to_string(),
    };
    assert!(refused.contains("refused"), "{refused}");
    let error = Upstream::connect_tcp("no port", &OwnSockets::default()).unwrap_err().to_string();
    assert!(error.starts_with("no port cannot be resolved: "), "{error}");
}
