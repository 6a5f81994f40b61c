//! Asking: what a session demands goes into the tree, or is answered at once.

use egd::Demand;
use htb::{NodeId, Tick, Tree};
use source::Supply;

use super::{Connection, MAX_ENQUEUED};
use crate::vm::CommandLimiter;

/// What asking left to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// More stands in the tree than before.
    pub(crate) enqueued: bool,
    /// There is something to write.
    pub(crate) answered: bool,
    /// Requests answered with nothing, since there had been too many.
    pub(crate) unanswered: u64,
}

impl Connection {
    /// Brings what the session demands into the tree, and answers what needs no byte of it. Of a supply that is not
    /// for it (`None`) it can get nothing: what waits, waits outside the tree.
    pub(crate) fn ask(
        &mut self,
        tree: &mut Tree,
        leaf: NodeId,
        now: Tick,
        supply: Option<&Supply>,
        ops: &mut CommandLimiter,
    ) -> Asked {
        let room = if supply.is_some() { MAX_ENQUEUED } else { 0 };
        let mut asked = Asked::default();
        while self.writable && self.asking.is_none() {
            match self.session.demand() {
                Demand::Blocking(owed) => {
                    let more = owed.min(room).saturating_sub(self.enqueued);
                    if more > 0 {
                        let added = tree.enqueue(leaf, more, now);
                        self.enqueued += added;
                        asked.enqueued |= added > 0;
                    }
                    break;
                }
                // The rest is decided by an answer, which takes room.
                Demand::None => break,
                _ if self.session.backlog_full() => break,
                Demand::NonBlocking(_) | Demand::Level if !ops.answer(now) => {
                    self.answer_nothing();
                    (asked.answered, asked.unanswered) = (true, asked.unanswered + 1);
                }
                Demand::NonBlocking(bytes) => {
                    self.enqueued = tree.enqueue(leaf, room.min(bytes.into()), now);
                    self.asking = Some(0);
                    if self.enqueued == 0 {
                        self.answer();
                        asked.answered = true;
                    } else {
                        asked.enqueued = true;
                    }
                }
                Demand::Level => {
                    // Of the supply no more than whether it has any: how full it is tells of other tenants.
                    let any = supply.is_some_and(|supply| supply.level() > 0);
                    self.session.answer_level(if any { tree.available(leaf, now) } else { 0 });
                    asked.answered = true;
                }
                Demand::Pid => {
                    self.session.answer_pid(std::process::id());
                    asked.answered = true;
                }
            }
        }
        asked
    }

    /// Answers as to a VM that has nothing.
    fn answer_nothing(&mut self) {
        if self.session.demand() == Demand::Level {
            self.session.answer_level(0);
        } else {
            self.session.answer_non_blocking(0);
        }
    }
}
