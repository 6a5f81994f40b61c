//! Which of a node's VMs are to be moved to another class, by what their pods say.

use std::collections::BTreeMap;

use delivery::{Move, Span, Tick};

/// From a move that was refused to the next attempt: there may be room by then.
const AGAIN: Span = Span::seconds(30);

/// Moves that were sent to one agent, by uid.
#[derive(Debug, Default)]
pub(super) struct ClassMoves {
    sent: BTreeMap<String, SentMove>,
    tickets: u64,
}

#[derive(Debug)]
struct SentMove {
    ticket: u64,
    class: String,
    /// It was refused, and may be sent once more then.
    again: Option<Tick>,
}

impl ClassMoves {
    /// What is to be sent now, of VMs with these uids and classes. `wanted` is the class that a VM's pod names.
    pub(super) fn due<'a, 'b>(
        &mut self,
        now: Tick,
        vms: impl Iterator<Item = (&'a str, &'a str)>,
        wanted: impl Fn(&str) -> Option<&'b str>,
    ) -> Vec<Move> {
        let mut before = std::mem::take(&mut self.sent);
        let mut due = Vec::new();
        for (uid, is) in vms {
            let Some(class) = wanted(uid).filter(|class| *class != is) else { continue };
            let stands = |sent: &SentMove| sent.class == class && sent.again.is_none_or(|again| now < again);
            let sent = before.remove(uid).filter(stands).unwrap_or_else(|| {
                self.tickets += 1;
                let (ticket, class) = (self.tickets, class.to_owned());
                due.push(Move { ticket, uid: uid.to_owned(), class: class.clone() });
                SentMove { ticket, class, again: None }
            });
            self.sent.insert(uid.to_owned(), sent);
        }
        due
    }

    /// The agent refused this one; says of which VM it was, to which class.
    pub(super) fn refused(&mut self, now: Tick, ticket: u64) -> Option<(&str, &str)> {
        let (uid, sent) = self.sent.iter_mut().find(|(_, sent)| sent.ticket == ticket)?;
        sent.again = Some(now + AGAIN);
        Some((uid, &sent.class))
    }

    /// When a refused one may be sent once more.
    pub(super) fn wake_at(&self) -> Option<Tick> {
        self.sent.values().filter_map(|sent| sent.again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(0) + Span::seconds(seconds)
    }

    fn due(moves: &mut ClassMoves, now: Tick, is: &str, wanted: &str) -> Vec<(u64, String)> {
        let due = moves.due(now, [("vm", is)].into_iter(), |_| Some(wanted));
        due.into_iter().map(|due| (due.ticket, due.class)).collect()
    }

    #[test]
    fn a_vm_is_moved_once_to_each_class_that_its_pod_names() {
        let mut moves = ClassMoves::default();
        assert_eq!(due(&mut moves, at(0), "slow", "slow"), []);
        assert_eq!(due(&mut moves, at(1), "slow", "fast"), [(1, "fast".to_owned())]);
        assert_eq!(due(&mut moves, at(2), "slow", "fast"), []);
        assert_eq!(due(&mut moves, at(3), "slow", "faster"), [(2, "faster".to_owned())]);
        assert_eq!(due(&mut moves, at(4), "faster", "faster"), []);
        assert_eq!(due(&mut moves, at(5), "faster", "fast"), [(3, "fast".to_owned())]);
        assert_eq!(moves.wake_at(), None);
    }

    #[test]
    fn a_move_that_was_refused_is_tried_again_each_half_minute_for_as_long_as_it_is_wanted() {
        let mut moves = ClassMoves::default();
        due(&mut moves, at(0), "slow", "full");
        assert_eq!(moves.refused(at(1), 1), Some(("vm", "full")));
        assert_eq!(moves.refused(at(1), 7), None);
        assert_eq!((due(&mut moves, at(30), "slow", "full"), moves.wake_at()), (vec![], Some(at(31))));
        assert_eq!(due(&mut moves, at(31), "slow", "full"), [(2, "full".to_owned())]);
        assert_eq!(moves.wake_at(), None);

        moves.refused(at(32), 2);
        assert_eq!((due(&mut moves, at(33), "full", "full"), moves.wake_at()), (vec![], None));
    }

    #[test]
    fn a_vm_that_is_gone_is_not_waited_for() {
        let mut moves = ClassMoves::default();
        due(&mut moves, at(0), "slow", "full");
        moves.refused(at(1), 1);
        assert_eq!(moves.due(at(40), std::iter::empty(), |_| None), []);
        assert_eq!(moves.wake_at(), None);
    }
}
