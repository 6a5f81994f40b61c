//! Demand: what a session asks for is enqueued in the tree, or answered at once.

use egd::Demand;
use htb::{NodeId, Tick, Tree};
use source::Supply;

use super::non_blocking_read::NonBlockingRead;
use super::{Connection, MAX_ENQUEUED};
use crate::vm::CommandLimiter;

/// The outcome of enqueuing demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DemandOutcome {
    /// The tree has more demand than before.
    pub(crate) in_tree: bool,
    /// There is something to write.
    pub(crate) answered: bool,
    /// Requests answered with nothing, since there were too many.
    pub(crate) unanswered: u64,
}

impl Connection {
    /// Enqueues the session's demand in the tree, and answers what needs no grant. `supply` is `None` while its bytes are
    /// withheld from this connection: then 0x02 waits outside the tree, and 0x01 is answered with nothing.
    pub(crate) fn enqueue_demand(
        &mut self,
        tree: &mut Tree,
        leaf: NodeId,
        now: Tick,
        supply: Option<&Supply>,
        limiter: &mut CommandLimiter,
    ) -> DemandOutcome {
        let room = if supply.is_some() { MAX_ENQUEUED } else { 0 };
        let mut outcome = DemandOutcome::default();
        while self.writable && self.non_blocking.is_none() {
            match self.session.demand() {
                Demand::Blocking(owed) => {
                    let more = owed.min(room).saturating_sub(self.enqueued);
                    if more > 0 {
                        let added = tree.enqueue(leaf, more, now);
                        self.enqueued += added;
                        outcome.in_tree |= added > 0;
                    }
                    break;
                }
                // All others are completed by an answer, for which there must be room.
                Demand::None => break,
                _ if self.session.backlog_full() => break,
                Demand::NonBlocking(_) | Demand::Level if !limiter.allow_answer(now) => {
                    self.answer_nothing();
                    outcome.answered = true;
                    outcome.unanswered += 1;
                }
                Demand::NonBlocking(bytes) => {
                    self.enqueued = tree.enqueue(leaf, room.min(bytes.into()), now);
                    if self.enqueued == 0 {
                        self.answer_nothing();
                        outcome.answered = true;
                    } else {
                        self.non_blocking = Some(NonBlockingRead::new(now));
                        outcome.in_tree = true;
                    }
                }
                Demand::Level => {
                    // Of the supply only whether it has any bytes: its level would reveal the activity of other tenants.
                    let any = supply.is_some_and(|supply| supply.level() > 0);
                    self.session.answer_level(if any { tree.available(leaf, now) } else { 0 });
                    outcome.answered = true;
                }
                Demand::Pid => {
                    self.session.answer_pid(std::process::id());
                    outcome.answered = true;
                }
            }
        }
        outcome
    }

    /// Answers as if the VM had no tokens.
    fn answer_nothing(&mut self) {
        if self.session.demand() == Demand::Level {
            self.session.answer_level(0);
        } else {
            self.session.answer_non_blocking(0);
        }
    }
}
