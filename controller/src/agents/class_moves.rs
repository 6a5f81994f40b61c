//! The VMs of a node that are to be moved to another class, because their pods name it.

use std::collections::BTreeMap;

use delivery::{Move, Span, Tick};

/// The time from a refused move to the next attempt: the class may have room by then.
const RETRY_AFTER: Span = Span::seconds(30);

/// The moves sent to one agent, by the VM's uid.
#[derive(Debug, Default)]
pub(super) struct ClassMoves {
    sent: BTreeMap<String, SentMove>,
    last_ticket: u64,
}

#[derive(Debug)]
struct SentMove {
    ticket: u64,
    class: String,
    /// When to send the move again, if it was refused.
    retry_at: Option<Tick>,
}

impl ClassMoves {
    /// The moves to send now, for VMs with these uids and classes. `desired` returns the class that a VM's pod names.
    pub(super) fn due<'a, 'b>(
        &mut self,
        now: Tick,
        vms: impl Iterator<Item = (&'a str, &'a str)>,
        desired: impl Fn(&str) -> Option<&'b str>,
    ) -> Vec<Move> {
        let mut before = std::mem::take(&mut self.sent);
        let mut due = Vec::new();
        for (uid, current) in vms {
            let Some(class) = desired(uid).filter(|class| *class != current) else { continue };
            let pending =
                |sent: &SentMove| sent.class == class && sent.retry_at.is_none_or(|retry_at| now < retry_at);
            let sent = before.remove(uid).filter(pending).unwrap_or_else(|| {
                self.last_ticket += 1;
                let (ticket, class) = (self.last_ticket, class.to_owned());
                due.push(Move { ticket, uid: uid.to_owned(), class: class.clone() });
                SentMove { ticket, class, retry_at: None }
            });
            self.sent.insert(uid.to_owned(), sent);
        }
        due
    }

    /// Marks a move as refused, and returns its VM's uid and its class; `None` if it is refused already.
    pub(super) fn refused(&mut self, now: Tick, ticket: u64) -> Option<(&str, &str)> {
        let is_awaited = |sent: &SentMove| sent.ticket == ticket && sent.retry_at.is_none();
        let (uid, sent) = self.sent.iter_mut().find(|(_, sent)| is_awaited(sent))?;
        sent.retry_at = Some(now + RETRY_AFTER);
        Some((uid, &sent.class))
    }

    /// When the next refused move is sent again.
    pub(super) fn wake_at(&self) -> Option<Tick> {
        self.sent.values().filter_map(|sent| sent.retry_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(0) + Span::seconds(seconds)
    }

    fn due(moves: &mut ClassMoves, now: Tick, current: &str, desired: &str) -> Vec<(u64, String)> {
        let due = moves.due(now, [("vm", current)].into_iter(), |_| Some(desired));
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
    fn a_refused_move_is_retried_every_half_minute_while_the_pod_names_the_class() {
        let mut moves = ClassMoves::default();
        due(&mut moves, at(0), "slow", "full");
        assert_eq!(moves.refused(at(1), 1), Some(("vm", "full")));
        assert_eq!(moves.refused(at(1), 7), None);
        assert_eq!(moves.refused(at(1), 1), None, "it is refused already");
        assert_eq!((due(&mut moves, at(30), "slow", "full"), moves.wake_at()), (vec![], Some(at(31))));
        assert_eq!(due(&mut moves, at(31), "slow", "full"), [(2, "full".to_owned())]);
        assert_eq!(moves.wake_at(), None);

        moves.refused(at(32), 2);
        assert_eq!((due(&mut moves, at(33), "full", "full"), moves.wake_at()), (vec![], None));
    }

    #[test]
    fn the_move_of_a_detached_vm_is_forgotten() {
        let mut moves = ClassMoves::default();
        due(&mut moves, at(0), "slow", "full");
        moves.refused(at(1), 1);
        assert_eq!(moves.due(at(40), std::iter::empty(), |_| None), []);
        assert_eq!(moves.wake_at(), None);
    }
}
