#![allow(clippy::unwrap_used)]
//! What the supply reserves for a connection: all that is granted and not written, and no byte more.

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

    fn request(&mut self, request: &[u8]) {
        self.connection.session.receive(request).unwrap();
        self.connection.enqueue_demand(
            &mut self.tree,
            self.leaf,
            NOW,
            Some(&self.supply),
            &mut CommandLimiter::default(),
        );
    }

    fn grant(&mut self, bytes: u64) -> u64 {
        let granted = self.connection.grant(bytes);
        self.connection.reserve(&mut self.supply);
        granted
    }

    fn flush(&mut self) -> Result<Flushed, CloseReason> {
        self.connection.flush(&mut self.supply, true)
    }

    /// Grants and writes until the socket blocks.
    fn fill(&mut self) {
        for _ in 0..10_000 {
            self.request(&[2, 255]);
            self.grant(255);
            if self.flush().unwrap() == Flushed::Blocked {
                return;
            }
        }
        panic!("the socket never blocks");
    }
}

#[test]
fn granted_bytes_are_reserved_until_they_are_written() {
    let mut rig = Rig::new();
    rig.request(&[2, 200, 2, 100]);
    assert_eq!((rig.grant(255), rig.supply.reserved()), (255, 255));
    assert_eq!((rig.grant(255), rig.supply.reserved()), (45, 300));
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
    rig.peer.read_exact(&mut [0; 300]).unwrap();
}

#[test]
fn bytes_granted_to_a_non_blocking_read_are_reserved() {
    let mut rig = Rig::new();
    rig.request(&[1, 100]);
    assert_eq!((rig.grant(60), rig.supply.reserved()), (60, 60));
    rig.connection.withdraw_demand(&mut rig.tree, rig.leaf, NOW);
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
    let mut answer = [0; 61];
    rig.peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer[0], 60);
}

#[test]
fn a_withdrawn_non_blocking_read_that_was_granted_nothing_is_not_answered() {
    let mut rig = Rig::new();
    rig.request(&[1, 100]);
    rig.connection.withdraw_demand(&mut rig.tree, rig.leaf, NOW);
    assert_eq!((rig.tree.backlog(rig.leaf), rig.connection.has_demand()), (0, false));
    assert_eq!(rig.connection.session.demand(), Demand::NonBlocking(100));
    // Whoever has the session enqueues it again.
    rig.request(&[]);
    assert_eq!((rig.grant(255), rig.flush()), (100, Ok(Flushed::All)));
    let mut answer = [0; 101];
    rig.peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer[0], 100);
}

#[test]
fn a_non_blocking_read_ends_with_what_it_was_granted() {
    for granted in [0, 60] {
        let mut rig = Rig::new();
        rig.request(&[1, 100]);
        assert_eq!(rig.connection.non_blocking_due(), Some(NOW.after(100_000_000)));
        rig.grant(granted);
        rig.connection.end_non_blocking_read(&mut rig.tree, rig.leaf, NOW.after(100_000_000));
        assert_eq!(rig.connection.session.demand(), Demand::None);
        // The test grants what the tree still has.
        assert_eq!((rig.tree.backlog(rig.leaf), rig.flush()), (granted, Ok(Flushed::All)));
        let mut answer = vec![0; 1 + usize::try_from(granted).unwrap()];
        rig.peer.read_exact(&mut answer).unwrap();
        assert_eq!(u64::from(answer[0]), granted);
    }
}

#[test]
fn a_blocked_connection_reserves_only_its_own_bytes_and_releases_them() {
    let mut rig = Rig::new();
    rig.fill();
    assert_eq!(rig.supply.reserved(), rig.connection.granted(), "what did not fit");
    assert!(rig.supply.reserved() > 0);
    rig.connection.release(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 0);
    // Once the peer reads, the rest is reserved again and written.
    rig.peer.set_nonblocking(true).unwrap();
    let _ = rig.peer.read_to_end(&mut vec![]);
    rig.connection.set_writable();
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
}

#[test]
fn a_closed_connection_leaves_nothing_reserved() {
    let mut rig = Rig::new();
    rig.request(&[2, 255]);
    rig.grant(255);
    drop(std::mem::replace(&mut rig.peer, UnixStream::pair().unwrap().0));
    assert!(rig.flush().is_err());
    rig.connection.release(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 0);
}

#[test]
fn a_push_leaves_nothing_reserved_however_it_ends() {
    let mut rig = Rig::new();
    assert_eq!(rig.connection.push(&mut rig.supply, true, 64), Ok(64));
    assert_eq!(rig.supply.reserved(), 0, "all was sent");
    for _ in 0..10_000 {
        if rig.connection.push(&mut rig.supply, true, 64) == Ok(0) {
            break;
        }
    }
    assert_eq!(rig.connection.push(&mut rig.supply, true, 64), Ok(0));
    assert_eq!(rig.supply.reserved(), 0, "nothing was sent");
    drop(std::mem::replace(&mut rig.peer, UnixStream::pair().unwrap().0));
    assert!(rig.connection.push(&mut rig.supply, true, 64).is_err());
    assert_eq!(rig.supply.reserved(), 0, "the peer has closed");
}

#[test]
fn a_new_supply_reserves_what_the_old_one_did() {
    let mut rig = Rig::new();
    rig.request(&[2, 255]);
    rig.grant(200);
    rig.supply = Supply::kernel().unwrap();
    rig.connection.reserve_again(&mut rig.supply);
    assert_eq!(rig.supply.reserved(), 200);
    assert_eq!((rig.flush(), rig.supply.reserved()), (Ok(Flushed::All), 0));
}
