//! Servers that are not the controller: an agent tells them nothing, least of all its token. And clients that are no agents.

mod certificates;
mod clients;
mod server;

use std::thread;
use std::time::Duration;

use entropool_tests::cluster::Agent;

use self::certificates::{Roots, Shown};
use self::server::{Server, Speech};

/// What a server that is none does, and who it says to be.
fn impostors(roots: &Roots) -> Vec<(&'static str, Speech)> {
    let mut all: Vec<(&'static str, Speech)> =
        roots.bad().into_iter().map(|(what, shown)| (what, Speech::Tls(shown))).collect();
    all.extend([
        ("plain HTTP/2", Speech::Raw(b"\0\0\0\x04\0\0\0\0\0")),
        ("plain HTTP/1.1", Speech::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
        ("garbage", Speech::Raw(&[0x55; 4_096])),
        ("TLS 1.2", Speech::Raw(TLS_1_2)),
        ("a fatal alert", Speech::Raw(&[21, 3, 3, 0, 2, 2, 40])),
        ("a record that is too long", Speech::Raw(&[22, 3, 3, 0xff, 0xff])),
        ("nothing but an end", Speech::Raw(b"")),
    ]);
    all
}

/// A server's hello that chooses TLS 1.2.
const TLS_1_2: &[u8] = &[
    22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0xc0, 0x2f, 0,
];

#[test]
fn an_agent_tells_nothing_to_any_of_twenty_servers_that_are_not_its_controller() {
    let roots = Roots::make();
    let servers: Vec<_> =
        impostors(&roots).into_iter().map(|(what, speech)| (what, Server::start(speech))).collect();
    assert!(servers.len() >= 20, "{}", servers.len());
    let genuine = Server::start(Speech::Tls(roots.good()));
    let call = |(number, server): (usize, &Server)| {
        Agent::alone(server.address, &format!("n{number}"), "a-secret", &roots.bundle()).unwrap()
    };
    let _agents: Vec<_> =
        servers.iter().map(|(_, server)| server).chain([&genuine]).enumerate().map(call).collect();
    for (what, server) in &servers {
        assert!(patiently(|| server.met() >= 2), "{what}: the agent did not call twice");
        assert_eq!(server.told(), 0, "{what}");
    }
    // The same with a certificate that is good: what the others were not told is told here.
    assert!(patiently(|| genuine.told() > 0));
    println!("{} servers that are none, and nothing told to any", servers.len());
}

fn patiently(holds: impl Fn() -> bool) -> bool {
    (0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        holds()
    })
}

/// A certificate for the address that agents call.
pub(crate) fn shown_by_an_authority() -> (String, impl Fn() -> (String, String)) {
    let roots = Roots::make();
    (roots.bundle(), move || {
        let Shown { pem, key, .. } = roots.good();
        (pem, key)
    })
}
