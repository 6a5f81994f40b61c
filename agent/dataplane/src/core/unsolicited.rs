//! Pushing unsolicited bytes: which connections are checked when, and who is charged.

use htb::{MAX_GRANT, Mode, NodeId, Rate, Tick, Tree};

use super::state::DataPlane;
use crate::clock::SECOND;
use crate::config::Client;
use crate::connection::{has_unread, is_qemu};
use crate::slab::Key;
use crate::vm::{PushDecision, SocketObservation};

/// Pushes in a batch: a thousand VMs that reconnect at once do not hold up requests.
const MAX_PUSHES: usize = 256;

/// A connection that waits for tokens is checked at least this often: its ceil may have been raised, or its VM moved.
const MAX_WAIT: u64 = SECOND;

impl DataPlane {
    /// Serves the connections whose push is due.
    pub(super) fn push_due(&mut self, now: Tick) {
        for _ in 0..MAX_PUSHES {
            let Some(key) = self.connections.pop_push(now) else { return };
            self.push(key, now);
        }
    }

    fn push(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        if connection.unsolicited.is_to_begin() {
            let accepts = match vm.client {
                Client::Qemu => vm.only_reads,
                Client::Detect => is_qemu(&*connection),
                Client::Egd => false,
            };
            if !accepts {
                return connection.unsolicited.end();
            }
            connection.unsolicited.begin(vm.credit.take(now));
        }
        // What it has sent by now is a request, though no event has told yet.
        if vm.push_limiter.is_exhausted() || connection.has_input() {
            return connection.unsolicited.end();
        }
        let open = opens_at(pool.shaper.tree(), vm.leaf, now);
        let observation = SocketObservation {
            // If the kernel does not report it, nothing is pushed, since it might never be read.
            unread: has_unread(&*connection).unwrap_or(true),
            open: open.min(now.after(MAX_WAIT)),
            supply: if pool.is_withheld(vm.leaf) { 0 } else { pool.supply.level() },
        };
        let PushDecision::Push(bytes) = connection.unsolicited.step(observation, now) else {
            return self.connections.schedule_push(key);
        };
        if !vm.push_limiter.admit(now) {
            connection.unsolicited.delay(now);
            return self.connections.schedule_push(key);
        }
        let degraded = pool.allows_degraded(vm.leaf);
        match connection.push(&mut pool.supply, degraded, bytes) {
            Ok(sent) => {
                connection.unsolicited.pushed(sent, now);
                if sent > 0 {
                    if open > now {
                        vm.credit.spend(now, payback_time(pool.shaper.tree(), vm.leaf, pool.members.len()));
                    }
                    pool.shaper.tree_mut().charge(vm.leaf, sent, now);
                    pool.records.mark_charged(pool.shaper.tree(), vm.leaf);
                    vm.unsolicited += sent;
                    vm.push_limiter.pushed(sent);
                    self.counters.unsolicited += sent;
                }
                self.connections.schedule_push(key);
            }
            Err(reason) => self.close(key, reason, now),
        }
    }
}

/// When the last of the ceils above a leaf, its own included, is out of debt.
fn opens_at(tree: &Tree, leaf: NodeId, now: Tick) -> Tick {
    let path = std::iter::successors(Some(leaf), |&node| tree.parent(node));
    path.filter(|&node| tree.stats(node, now).mode == Mode::CantSend)
        .map(|node| {
            // Rounded up to whole bytes, so that it is not checked too early.
            let debt = tree.stats(node, now).ctokens.min(0).unsigned_abs();
            now.after(time_to_earn(u128::from(debt), tree.params(node).ceil))
        })
        .max()
        .unwrap_or(now)
}

/// Nanoseconds in which all ceils above a leaf, its own included, let through one request for it and for each of its
/// pool's `members`. Where fewer of these are below a ceil, that is longer than necessary.
fn payback_time(tree: &Tree, leaf: NodeId, members: usize) -> u64 {
    let for_all = u128::from(MAX_GRANT) * members as u128;
    let above = std::iter::successors(tree.parent(leaf), |&node| tree.parent(node));
    let shared = above.map(|node| time_to_earn(for_all, tree.params(node).ceil)).max();
    shared.unwrap_or(0).max(time_to_earn(u128::from(MAX_GRANT), tree.params(leaf).ceil))
}

/// Nanoseconds; a rate is in bytes a day.
fn time_to_earn(bytes: u128, rate: Rate) -> u64 {
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
    fn a_leaf_opens_with_the_last_ceil_above_it() {
        let mut tree = Tree::new(params(2), Tick(0));
        let [first, second] = [64, 1].map(|ceil| tree.add_leaf(tree.root(), params(ceil), Tick(0)));
        assert_eq!(opens_at(&tree, first, Tick(0)), Tick(0));
        tree.charge(first, 74, Tick(0));
        assert_eq!(opens_at(&tree, first, Tick(0)), SECONDS(32), "the root's");
        assert_eq!(opens_at(&tree, second, Tick(0)), SECONDS(32));
        tree.charge(second, 50, SECONDS(32));
        assert_eq!(opens_at(&tree, second, SECONDS(32)), SECONDS(72), "its own, and not the root's 25 s");
        assert_eq!(opens_at(&tree, second, SECONDS(72)), SECONDS(72));
    }

    #[test]
    fn a_request_is_paid_back_by_a_vms_share_of_the_narrowest_ceil() {
        let mut tree = Tree::new(params(1_000), Tick(0));
        let class = tree.add_class(tree.root(), params(51), Tick(0));
        let [wide, narrow] = [1_000, 3].map(|ceil| tree.add_leaf(class, params(ceil), Tick(0)));
        assert_eq!(payback_time(&tree, wide, 4), 20 * SECOND, "four requests at the class's 51 B/s");
        assert_eq!(payback_time(&tree, narrow, 4), 85 * SECOND, "one at its own 3 B/s");
    }
}
