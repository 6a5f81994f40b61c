#![allow(clippy::unwrap_used)]
//! What a connection has its supply keep for it: all that is granted and not written, and not one byte more.

use std::io::Read;
use std::os::unix::net::UnixStream;

use htb::{DEFAULT_PRIO, DEFAULT_WEIGHT, Params, Rate};
use rustix::net::sockopt::set_socket_send_buffer_size;

use super::*;
use crate::slab::Slab;
use crate::vm::CommandLimiter;

const NOW: Tick = Tick(1);

/// A connection, its peer, and the tree and the supply that it draws from.
struct Rig {
    connection: Connection,
    peer: UnixStream,
    tree: Tree,
    leaf: NodeId,
    supply: Supply,
}

impl Rig {
    fn new() -> Self {
        let (ours, peer) = UnixStream::pair().unwrap();
        set_socket_send_buffer_size(&ours, 4608).unwrap();
        ours.set_nonblocking(true).unwrap();
        let params = Params {
            rate: Rate::ZERO,
            ceil: Rate::per_second(1 << 30),
            burst: 0,
            cburst: 1 << 30,
            prio: DEFAULT_PRIO,
            weight: DEFAULT_WEIGHT,
        };
        let mut tree = Tree::new(params, NOW);
        let leaf = tree.add_leaf(tree.root(), params, NOW);
        let connection = Connection::new(ours.into(), Slab::new().insert(()), Unsolicited::never());
        Self { connection, peer, tree, leaf, supply: Supply::kernel().unwrap() }
    }

    fn ask(&mut self, request: &[u8]) {
        self.connection.session.receive(request).unwrap();
        self.connection.ask(
            &mut self.tree,
            self.leaf,
            NOW,
            Some(&self.supply),
            &mut CommandLimiter::default(),
        );
    }

    fn grant(&mut self, bytes: u64) -> u64 {
        let given = self.connection.grant(bytes);
        self.connection.reserve(&mut self.supply);
        given
    }

    fn flush(&mut self) -> Result<Flushed, CloseReason> {
        self.connection.flush(&mut self.supply, true)
    }

    /// Grants and writes all it asks until its peer must read.
    fn fill(&mut self) {
        for _ in 0..10_000 {
            self.ask(&[2, 255]);
            self.grant(255);
            if self.flush().unwrap() == Flushed::Blocked {
                return;
            }
        }
        panic!("the socket takes all");
    }
}

#[test]
fn what_is_granted_is_kept_until_it_is_written() {
    let mut rig = Rig::new();
    rig.ask(&[2, 200, 2, 100]);
    assert_eq!((rig.grant(255), rig.supply.reserved()), (255, 255));
    assert_eq!((rig.grant(255), rig.supply.reserved()), (45, 300));
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
    rig.peer.read_exact(&mut [0; 300]).unwrap();
}

#[test]
fn what_an_impatient_read_has_got_so_far_is_kept_for_it() {
    let mut rig = Rig::new();
    rig.ask(&[1, 100]);
    assert_eq!((rig.grant(60), rig.supply.reserved()), (60, 60));
    rig.connection.withdraw(&mut rig.tree, rig.leaf, NOW);
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
    let mut answer = [0; 61];
    rig.peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer[0], 60);
}

#[test]
fn a_peer_that_does_not_read_has_only_its_own_kept_and_lets_go_of_it() {
    let mut rig = Rig::new();
    rig.fill();
    assert_eq!(rig.supply.reserved(), rig.connection.granted(), "what did not fit");
    assert!(rig.supply.reserved() > 0);
    rig.connection.release(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 0);
    // It reads at last: the rest is taken again, and goes.
    rig.peer.set_nonblocking(true).unwrap();
    let _ = rig.peer.read_to_end(&mut vec![]);
    rig.connection.resume();
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
}

#[test]
fn a_peer_that_has_gone_leaves_nothing_kept() {
    let mut rig = Rig::new();
    rig.ask(&[2, 255]);
    rig.grant(255);
    drop(std::mem::replace(&mut rig.peer, UnixStream::pair().unwrap().0));
    assert!(rig.flush().is_err());
    rig.connection.release(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 0);
}

#[test]
fn a_push_leaves_nothing_kept_however_it_ends() {
    let mut rig = Rig::new();
    assert_eq!(rig.connection.push(&mut rig.supply, true, 64), Ok(64));
    assert_eq!(rig.supply.reserved(), 0, "all went");
    for _ in 0..10_000 {
        if rig.connection.push(&mut rig.supply, true, 64) == Ok(0) {
            break;
        }
    }
    assert_eq!(rig.connection.push(&mut rig.supply, true, 64), Ok(0));
    assert_eq!(rig.supply.reserved(), 0, "nothing went");
    drop(std::mem::replace(&mut rig.peer, UnixStream::pair().unwrap().0));
    assert!(rig.connection.push(&mut rig.supply, true, 64).is_err());
    assert_eq!(rig.supply.reserved(), 0, "the peer has gone");
}

#[test]
fn another_supply_keeps_what_the_old_one_kept() {
    let mut rig = Rig::new();
    rig.ask(&[2, 255]);
    rig.grant(200);
    rig.supply = Supply::kernel().unwrap();
    rig.connection.resupply(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 200);
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
}
