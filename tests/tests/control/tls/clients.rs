//! Clients that speak no TLS, another TLS, or half of it: none is served, none is kept, and agents notice nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Stream};

use crate::grpc_client;
use crate::scenario::Scenario;

/// The controller's own patience is ten seconds; on a busy machine it is late.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of each kind, at the same time.
const EACH: usize = 25;

/// What a client says, and whether it goes on listening.
#[derive(Clone)]
enum Words {
    /// Bytes on the bare connection.
    Bare(Vec<u8>),
    /// The same, and then the end of what it has to say.
    Cut(Vec<u8>),
    /// Bytes behind a handshake with these protocols.
    Secret(&'static [&'static [u8]], Vec<u8>),
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HTTP_1: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: controller\r\nAuthorization: Bearer a-secret\r\n\r\n";
const H2: &[&[u8]] = &[b"h2"];

/// A client's hello of that version; it names no version beyond, and two ciphers.
fn hello(record: [u8; 2], version: [u8; 2], ciphers: [u8; 4]) -> Vec<u8> {
    let body = [&version[..], &[7; 32], &[0, 0, 4], &ciphers, &[1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22][..], &record, &[0, length + 4, 1, 0, 0, length], &body].concat()
}

fn kinds() -> Vec<(&'static str, Words)> {
    use Words::{Bare, Cut, Secret};
    let modern = hello([3, 1], [3, 3], [0x13, 1, 0x13, 2]);
    vec![
        ("HTTP/1.1 in clear", Bare(HTTP_1.to_vec())),
        ("HTTP/2 in clear", Bare([PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat())),
        ("garbage", Bare(vec![0x55; 4_096])),
        ("zeroes", Bare(vec![0; 65_536])),
        ("nothing, for long", Bare(Vec::new())),
        ("nothing, and the end", Cut(Vec::new())),
        ("one byte of a hello", Bare(vec![22])),
        ("half a hello, for long", Bare(modern[..20].to_vec())),
        ("half a hello, and the end", Cut(modern[..20].to_vec())),
        ("SSL 2", Bare([&[0x80, 46, 1, 0, 2, 0, 3, 0, 0, 0, 32][..], &[7; 35]].concat())),
        ("SSL 3", Bare(hello([3, 0], [3, 0], [0, 5, 0, 10]))),
        ("TLS 1.0", Bare(hello([3, 1], [3, 1], [0, 47, 0, 53]))),
        ("TLS 1.1", Bare(hello([3, 1], [3, 2], [0, 47, 0, 53]))),
        ("TLS 1.2", Bare(hello([3, 1], [3, 3], [0xc0, 47, 0xc0, 48]))),
        ("a hello without a key", Bare(modern)),
        ("a record that is too long", Bare(vec![22, 3, 3, 0xff, 0xff, 1, 1, 1])),
        ("words before any handshake", Bare(vec![23, 3, 3, 0, 4, 1, 2, 3, 4])),
        ("a fatal alert", Bare(vec![21, 3, 3, 0, 2, 2, 40])),
        ("HTTP/1.1 behind a handshake", Secret(&[b"http/1.1"], HTTP_1.to_vec())),
        ("a protocol that nobody speaks", Secret(&[b"smtp"], b"EHLO\r\n".to_vec())),
        ("no protocol, and HTTP/1.1", Secret(&[], HTTP_1.to_vec())),
        ("HTTP/1.1 where HTTP/2 was agreed", Secret(H2, HTTP_1.to_vec())),
        ("garbage where HTTP/2 was agreed", Secret(H2, vec![0x55; 65_536])),
        ("a handshake, and nothing for long", Secret(H2, Vec::new())),
        ("HTTP/2 of somebody who is no agent", Secret(H2, [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat())),
    ]
}

/// Says its words, and returns what it was told before the other side hung up.
fn told(address: SocketAddr, tls: &Arc<ClientConfig>, words: Words) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut heard = Vec::new();
    // Who is hung up on in the middle of a word has an error; who is not has one after its patience.
    let ended = match words {
        Words::Bare(bytes) => stream.write_all(&bytes).and_then(|()| stream.read_to_end(&mut heard)),
        Words::Cut(bytes) => {
            let said = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
            said.and_then(|()| stream.read_to_end(&mut heard))
        }
        Words::Secret(protocols, bytes) => {
            let mut config = ClientConfig::clone(tls);
            config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
            let name = ServerName::from(address.ip());
            let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
            let mut secret = Stream::new(&mut connection, &mut stream);
            secret
                .write_all(&bytes)
                .and_then(|()| secret.flush())
                .and_then(|()| secret.read_to_end(&mut heard))
        }
    };
    let late = ended.is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock));
    assert!(!late, "nobody hangs up");
    heard
}

#[test]
fn a_client_that_speaks_no_proper_tls_is_hung_up_on_and_agents_notice_nothing() {
    let scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    let controller = scene.replicas[0].agents;
    let tls = grpc_client::tls(&scene.api.controllers_authority().unwrap());
    let kinds = kinds();
    assert!(kinds.len() >= 20, "{}", kinds.len());
    thread::scope(|scope| {
        let calls: Vec<_> = kinds
            .iter()
            .flat_map(|kind| std::iter::repeat_n(kind, EACH))
            .map(|(what, words)| (what, scope.spawn(|| told(controller, &tls, words.clone()))))
            .collect();
        // Agents are served meanwhile.
        scene.edit_and_follow("9Ki/s");
        for (what, call) in calls {
            let heard = call.join().unwrap_or_else(|_| panic!("{what}: nobody hangs up"));
            let is_answered = heard.windows(12).any(|it| it == b"HTTP/1.1 200");
            assert!(!is_answered, "{what}: {}", String::from_utf8_lossy(&heard));
        }
    });
    let log = scene.agents[0].log();
    assert_eq!(log.matches("subscribed").count(), 1, "{log}");
    scene.edit_and_follow("10Ki/s");
}
