//! Which changes of conditions are worth an Event.

use api::{Condition, ConditionStatus, ConditionType, Reason};

/// One thing that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionEvent {
    /// Somebody should look.
    pub(super) warning: bool,
    /// One word.
    pub(super) reason: String,
    /// A sentence.
    pub(super) note: String,
}

impl ConditionEvent {
    /// Of what an agent says: where its word is none, it has to do without.
    pub(crate) fn warning(reason: &str, note: &str) -> Self {
        let is_word = (1..=64).contains(&reason.len()) && reason.bytes().all(|it| it.is_ascii_alphanumeric());
        let reason = if is_word { reason } else { "Other" };
        Self { warning: true, reason: reason.to_owned(), note: shortened(note) }
    }
}

/// What changed between two states of an object. What is as it should be from the start is no news.
pub(super) fn news(before: &[Condition], after: &[Condition]) -> Vec<ConditionEvent> {
    after.iter().filter_map(|now| one(before.iter().find(|it| it.kind == now.kind), now)).collect()
}

fn one(before: Option<&Condition>, now: &Condition) -> Option<ConditionEvent> {
    let was = before.map(|before| (before.status, before.reason));
    // A second edit that breaks the same rule is another refusal.
    let again = now.kind == ConditionType::Accepted
        && before.is_some_and(|before| before.observed_generation != now.observed_generation);
    if was == Some((now.status, now.reason)) && !(again && is_bad(now)) {
        return None;
    }
    let healed = before.is_some_and(is_bad) && !is_bad(now) && now.status != ConditionStatus::Unknown;
    let told = || ConditionEvent { warning: is_bad(now), reason: now.reason.to_string(), note: note(now) };
    (is_bad(now) || healed).then(told)
}

/// Whether somebody has to act. That nodes are still on their way is no trouble, and `Ready` only repeats others.
fn is_bad(condition: &Condition) -> bool {
    match condition.kind {
        ConditionType::Accepted | ConditionType::SourcesHealthy => condition.status == ConditionStatus::False,
        ConditionType::Degraded => condition.status == ConditionStatus::True,
        ConditionType::Programmed => condition.reason == Reason::NodesRefused,
        ConditionType::Ready | ConditionType::Other => false,
    }
}

fn note(condition: &Condition) -> String {
    let text = match (&*condition.message, condition.kind) {
        (message, _) if is_bad(condition) => message,
        ("", ConditionType::Accepted) => "the spec is accepted",
        ("", ConditionType::SourcesHealthy) => "the sources are healthy again",
        ("", ConditionType::Degraded) => "what was promised is served again",
        (message, _) => message,
    };
    shortened(text)
}

/// An Event holds a thousand bytes.
fn shortened(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].to_owned()
}

const LONGEST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: ConditionType, status: ConditionStatus, reason: Reason, generation: i64) -> Condition {
        Condition {
            kind,
            status,
            reason,
            message: String::new(),
            observed_generation: Some(generation),
            last_transition_time: None,
        }
    }

    fn accepted(status: ConditionStatus, reason: Reason, generation: i64) -> [Condition; 1] {
        [condition(ConditionType::Accepted, status, reason, generation)]
    }

    #[test]
    fn a_refusal_and_its_end_are_news_and_nothing_else_is() {
        let good = |generation| accepted(ConditionStatus::True, Reason::Accepted, generation);
        let bad = |generation| accepted(ConditionStatus::False, Reason::RateOverParent, generation);
        assert_eq!(news(&[], &good(1)), []);
        assert_eq!(news(&good(1), &good(2)), []);
        let refused =
            ConditionEvent { warning: true, reason: "RateOverParent".to_owned(), note: String::new() };
        assert_eq!(news(&good(1), &bad(2)), std::slice::from_ref(&refused));
        assert_eq!(news(&bad(2), &bad(2)), []);
        assert_eq!(news(&bad(2), &bad(3)), [refused]);
        let note = "the spec is accepted".to_owned();
        let healed = ConditionEvent { warning: false, reason: "Accepted".to_owned(), note };
        assert_eq!(news(&bad(3), &good(4)), [healed]);
    }

    #[test]
    fn nodes_on_their_way_are_no_news_and_a_node_that_refuses_is() {
        let programmed = |reason| [condition(ConditionType::Programmed, ConditionStatus::False, reason, 1)];
        assert_eq!(news(&[], &programmed(Reason::NodesPending)), []);
        assert_eq!(news(&programmed(Reason::NodesPending), &programmed(Reason::NodesUnreachable)), []);
        assert!(news(&programmed(Reason::NodesPending), &programmed(Reason::NodesRefused))[0].warning);
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        let mut long = condition(ConditionType::Accepted, ConditionStatus::False, Reason::InvalidSpec, 1);
        long.message = "ü".repeat(700);
        assert_eq!(note(&long), "ü".repeat(500));
    }

    #[test]
    fn what_an_agent_calls_a_reason_and_is_none_is_not_told_as_one() {
        for (said, told) in
            [("ClassFull", "ClassFull"), ("", "Other"), ("a word", "Other"), (&"x".repeat(65), "Other")]
        {
            assert_eq!(ConditionEvent::warning(said, "").reason, told);
        }
    }
}
