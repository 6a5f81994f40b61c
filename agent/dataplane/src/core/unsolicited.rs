//! Pushing bytes to connections that did not ask: who is looked at when, and what that costs whom.

use std::cmp::Reverse;

use htb::{MAX_GRANT, Mode, NodeId, Rate, Tick, Tree};

use crate::clock::SECOND;
use crate::connection::has_unread;
use crate::core::state::DataPlane;
use crate::slab::Key;
use crate::vm::{PushDecision, SocketObservation};

/// Pushes in a batch: a thousand VMs that come back at once do not hold up those that ask.
const AT_ONCE: usize = 256;

/// A connection that waits for tokens is looked at at least this often: its ceil may have been raised, or its VM moved.
const LONGEST: u64 = SECOND;

impl DataPlane {
    /// Notes when a connection is to be looked at, if ever.
    pub(crate) fn list_to_push(&mut self, key: Key) {
        let due = self.connections.get(key).and_then(|connection| connection.unsolicited.due());
        self.work.push.extend(due.map(|due| Reverse((due, key))));
    }

    /// Looks at the connections whose time has come.
    pub(crate) fn push_due(&mut self, now: Tick) {
        for _ in 0..AT_ONCE {
            if self.next_push().is_none_or(|due| due > now) {
                return;
            }
            if let Some(Reverse((_, key))) = self.work.push.pop() {
                self.push(key, now);
            }
        }
    }

    /// When the first is to be looked at. Those that have asked or gone meanwhile are forgotten: nothing wakes for them.
    pub(crate) fn next_push(&mut self) -> Option<Tick> {
        while let Some(&Reverse((due, key))) = self.work.push.peek() {
            let connection = self.connections.get(key);
            if connection.is_some_and(|connection| connection.unsolicited.due().is_some()) {
                return Some(due);
            }
            self.work.push.pop();
        }
        None
    }

    fn push(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        let open = opens(pool.shaper.tree(), vm.leaf, now);
        let sight = SocketObservation {
            // Where the kernel does not say, nothing is pushed that might never be read.
            unread: has_unread(&*connection).unwrap_or(true),
            open: open.min(now.after(LONGEST)),
            supply: if pool.is_shut(vm.leaf) { 0 } else { pool.supply.level() },
        };
        let PushDecision::Push(bytes) = connection.unsolicited.step(sight, now) else {
            return self.list_to_push(key);
        };
        let degraded = pool.allows_degraded(vm.leaf);
        match connection.push(&mut pool.supply, degraded, bytes) {
            Ok(sent) => {
                connection.unsolicited.pushed(sent, now);
                if sent > 0 {
                    if open > now {
                        vm.credit.used(now, paid_back(pool.shaper.tree(), vm.leaf, pool.members.len()));
                    }
                    pool.shaper.tree_mut().charge(vm.leaf, sent, now);
                    pool.records.charge(pool.shaper.tree(), vm.leaf);
                    vm.unsolicited += sent;
                    self.counters.unsolicited += sent;
                }
                self.list_to_push(key);
            }
            Err(fault) => self.close_faulty(key, fault, now),
        }
    }
}

/// When the last of the ceils above a leaf, its own included, is out of debt.
fn opens(tree: &Tree, leaf: NodeId, now: Tick) -> Tick {
    let path = std::iter::successors(Some(leaf), |&node| tree.parent(node));
    path.filter(|&node| tree.stats(node, now).mode == Mode::CantSend)
        .map(|node| {
            // Rounded up to whole bytes, so that it is not looked at too early.
            let debt = tree.stats(node, now).ctokens.min(0).unsigned_abs();
            now.after(earned_in(u128::from(debt), tree.params(node).ceil))
        })
        .max()
        .unwrap_or(now)
}

/// In how many nanoseconds all the ceils above a leaf, its own included, have let through one request for it and for
/// each of its pool's `members`. Where fewer than these stand below a ceil, that is longer than it must be.
fn paid_back(tree: &Tree, leaf: NodeId, members: usize) -> u64 {
    let for_all = u128::from(MAX_GRANT) * members as u128;
    let above = std::iter::successors(tree.parent(leaf), |&node| tree.parent(node));
    let shared = above.map(|node| earned_in(for_all, tree.params(node).ceil)).max();
    shared.unwrap_or(0).max(earned_in(u128::from(MAX_GRANT), tree.params(leaf).ceil))
}

/// A rate is in bytes a day.
fn earned_in(bytes: u128, rate: Rate) -> u64 {
    let time = (bytes * 86_400 * u128::from(SECOND)).div_ceil(u128::from(rate.0.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use htb::Params;

    const SECONDS: fn(u64) -> Tick = |seconds| Tick(seconds * SECOND);

    fn params(ceil: u64) -> Params {
        let (rate, ceil) = (Rate::ZERO, Rate::per_second(ceil));
        Params { rate, ceil, burst: 0, cburst: 10, prio: htb::DEFAULT_PRIO, weight: htb::DEFAULT_WEIGHT }
    }

    #[test]
    fn a_leaf_opens_when_the_last_ceil_above_it_does() {
        let mut tree = Tree::new(params(2), Tick(0));
        let [first, second] = [64, 1].map(|ceil| tree.add_leaf(tree.root(), params(ceil), Tick(0)));
        assert_eq!(opens(&tree, first, Tick(0)), Tick(0));
        tree.charge(first, 74, Tick(0));
        assert_eq!(opens(&tree, first, Tick(0)), SECONDS(32), "the root's");
        assert_eq!(opens(&tree, second, Tick(0)), SECONDS(32));
        tree.charge(second, 50, SECONDS(32));
        assert_eq!(opens(&tree, second, SECONDS(32)), SECONDS(72), "its own, and not the root's 25 s");
        assert_eq!(opens(&tree, second, SECONDS(72)), SECONDS(72));
    }

    #[test]
    fn a_request_is_paid_back_by_a_vms_share_of_the_narrowest_ceil() {
        let mut tree = Tree::new(params(1_000), Tick(0));
        let class = tree.add_class(tree.root(), params(51), Tick(0));
        let [wide, narrow] = [1_000, 3].map(|ceil| tree.add_leaf(class, params(ceil), Tick(0)));
        assert_eq!(paid_back(&tree, wide, 4), 20 * SECOND, "four requests at the class's 51 B/s");
        assert_eq!(paid_back(&tree, narrow, 4), 85 * SECOND, "one at its own 3 B/s");
    }
}
