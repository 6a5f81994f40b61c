//! Pushing bytes to connections that did not ask: who is looked at when, and what that costs whom.

use std::cmp::Reverse;

use htb::{Mode, NodeId, Tick, Tree};

use crate::clock::SECOND;
use crate::plane::Plane;
use crate::slab::Key;
use crate::unasked::{Sight, Step};
use crate::unread::has_unread;

/// Pushes in a batch: a thousand VMs that come back at once do not hold up those that ask.
const AT_ONCE: usize = 256;

/// A connection that waits for tokens is looked at at least this often: its ceil may have been raised, or its VM moved.
const LONGEST: u64 = SECOND;

impl Plane {
    /// Notes when a connection is to be looked at, if ever.
    pub(crate) fn list_to_push(&mut self, key: Key) {
        let due = self.connections.get(key).and_then(|connection| connection.unasked.due());
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
            if connection.is_some_and(|connection| connection.unasked.due().is_some()) {
                return Some(due);
            }
            self.work.push.pop();
        }
        None
    }

    fn push(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        let open = opens(pool.shaper.tree(), vm.leaf, now);
        let sight = Sight {
            // Where the kernel does not say, nothing is pushed that might never be read.
            unread: has_unread(&*connection).unwrap_or(true),
            open: open.min(now.after(LONGEST)),
            supply: if pool.is_shut(vm.leaf) { 0 } else { pool.supply.level() },
        };
        let Step::Push(bytes) = connection.unasked.step(sight, now) else { return self.list_to_push(key) };
        let degraded = pool.allows_degraded(vm.leaf);
        match connection.push(&mut pool.supply, degraded, bytes) {
            Ok(sent) => {
                connection.unasked.pushed(sent, now);
                if sent > 0 {
                    pool.shaper.tree_mut().charge(vm.leaf, sent, now);
                    pool.records.charge(pool.shaper.tree(), vm.leaf);
                    vm.unasked += sent;
                    self.counters.unasked += sent;
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
            let debt = u128::from(tree.stats(node, now).ctokens.min(0).unsigned_abs());
            // A rate is in bytes a day. Its debt is rounded up to whole bytes, so that it is not looked at too early.
            let wait =
                (debt * 86_400 * u128::from(SECOND)).div_ceil(u128::from(tree.params(node).ceil.0.max(1)));
            now.after(u64::try_from(wait).unwrap_or(u64::MAX))
        })
        .max()
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use htb::{Params, Rate};

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
}
