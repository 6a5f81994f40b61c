//! What one node may cost beyond memory: streams, log lines and Events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ::clock::{RateLimit, RateLimiter};
use delivery::{Span, Tick};

/// What a node spends. An agent that is well needs far less; what is beyond is not done, or done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expense {
    /// A new stream, which costs what a report of everything does.
    Stream,
    /// A line of the controller's log.
    LogLine,
    /// A change of what the node's conditions and orphaned VMs are, which makes Events.
    Event,
    /// An Event about the pod of a VM that was not moved, which costs a list.
    RefusedMove,
}

impl Expense {
    fn limit(self) -> RateLimit {
        match self {
            Self::Stream => RateLimit::new(Span::seconds(1), 10),
            Self::LogLine => RateLimit::new(Span::seconds(5), 50),
            Self::Event => RateLimit::new(Span::seconds(30), 20),
            Self::RefusedMove => RateLimit::new(Span::seconds(1), 20),
        }
    }
}

/// The expenses of all nodes. Only those that have authenticated are in it, and these have a pod.
#[derive(Debug, Default)]
pub(super) struct NodeLimits(Mutex<BTreeMap<String, BTreeMap<Expense, RateLimiter>>>);

impl NodeLimits {
    /// Whether the node may have this now.
    pub(super) fn admit(&self, node: &str, expense: Expense, now: Tick) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !nodes.contains_key(node) {
            nodes.insert(node.to_owned(), BTreeMap::new());
        }
        let Some(expenses) = nodes.get_mut(node) else { return false };
        expenses.entry(expense).or_default().admit(expense.limit(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_spends_all_it_has_takes_nothing_from_another() {
        let limits = NodeLimits::default();
        let at = |millisecond: u64| Tick(0) + Span::seconds(1_000) + Span::millis(millisecond);
        // 153,000 lines in two hours, which is as many as 20 messages a second make.
        let lines = (0..153_000).filter(|line| limits.admit("n1", Expense::LogLine, at(line * 50))).count();
        assert!((1_500..=50 + 153_000 / 20 / 5).contains(&lines), "{lines}");
        let streams = (0..1_000).filter(|_| limits.admit("n1", Expense::Stream, at(0))).count();
        assert_eq!(streams, 10);
        assert!(limits.admit("n2", Expense::LogLine, at(0)) && limits.admit("n2", Expense::Stream, at(0)));
    }
}
