//! VMs that draw from a port.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use entropool_tests::Daemon;
use entropool_tests::daemon::Refusal;
use entropool_tests::host::vacant_port;

use crate::{OPEN, beside_others, host};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(client: &str) -> (Daemon, SocketAddr) {
    let port = vacant_port().unwrap();
    let daemon = Daemon::start_with(host(OPEN), &["--tcp", &format!("{port}=default/any{client}")]).unwrap();
    (daemon, port)
}

fn connect(port: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(port).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn says(daemon: &Daemon, words: &[&str]) -> String {
    let output = daemon.host().ask(words).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether nothing comes for so long.
fn silent(stream: &mut TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let read = stream.read(&mut [0]).map_err(|error| error.kind());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read == Err(ErrorKind::WouldBlock)
}

#[test]
fn a_port_is_served_as_a_socket_is() {
    let _machine = beside_others();
    let (daemon, port) = start(",client=egd");
    let mut stream = connect(port);
    for _ in 0..3 {
        stream.write_all(&[2, 64, 1, 9]).unwrap();
        let mut reply = [0; 64 + 1 + 9];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply[64], 9);
    }
    let (name, place) = (port.to_string(), format!("tcp:{port}"));
    assert!(says(&daemon, &["vms"]).contains(&place));
    assert!(says(&daemon, &["explain", &name]).contains(&format!("open on {place}")));
    assert_eq!(says(&daemon, &["egd", "read", "16", "--hex", &place]).trim().len(), 32);
    let arguments = says(&daemon, &["qemu-args", &name]);
    assert!(arguments.contains(&format!("host=127.0.0.1,port={},nodelay=on,", port.port())), "{arguments}");
}

#[test]
fn unsolicited_bytes_end_with_the_first_that_a_qemu_leaves_unread() {
    let _machine = beside_others();
    let (_daemon, port) = start(",client=qemu");
    // It waited since before: it reads, and is sent more.
    let mut waits = connect(port);
    let mut owed = [0; 3 * 64];
    waits.read_exact(&mut owed).unwrap();

    // It did not: what it was sent stays there for its next request, and that is all.
    let mut idle = connect(port);
    assert!(!silent(&mut idle, PATIENCE), "the first byte, of 64");
    let mut rest = [0; 63];
    std::thread::sleep(Duration::from_millis(300));
    idle.read_exact(&mut rest).unwrap();
    assert!(silent(&mut idle, Duration::from_millis(300)), "more than 64 bytes were pushed");
}

#[test]
fn nothing_unsolicited_comes_from_a_port_unless_it_is_said_to_be_a_qemus() {
    let _machine = beside_others();
    let (_daemon, port) = start("");
    let mut stream = connect(port);
    stream.write_all(&[2, 1]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    assert!(silent(&mut connect(port), Duration::from_millis(300)));
}

#[test]
fn a_port_that_cannot_be_had_is_refused_with_a_sentence() {
    let _machine = beside_others();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refuse = |port: &str| {
        let refusal = Refusal::of(host(OPEN).run().args(["--tcp", &format!("{port}=default/any")])).unwrap();
        (refusal.code, refusal.said)
    };
    let (code, said) = refuse(&address.to_string());
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("another process listens on {address}")), "{said}");
    let (code, said) = refuse("0.0.0.0:7000");
    assert_eq!(code, Some(2));
    assert!(
        said.contains("can be reached from other hosts") && said.contains("write 127.0.0.1:7000"),
        "{said}"
    );
}
