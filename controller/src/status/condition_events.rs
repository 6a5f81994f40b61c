//! The changes of conditions that become Events.

use api::{Condition, ConditionStatus, ConditionType, Reason};

/// An Event about an object, before it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionEvent {
    /// Whether the Event's type is `Warning`.
    pub(super) warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

impl ConditionEvent {
    /// A warning with an agent's reason, which is replaced by `Other` if it is not a valid one.
    pub(crate) fn warning(reason: &str, note: &str) -> Self {
        let valid = (1..=64).contains(&reason.len()) && reason.bytes().all(|it| it.is_ascii_alphanumeric());
        let reason = if valid { reason } else { "Other" };
        Self { warning: true, reason: reason.to_owned(), note: truncated(note) }
    }
}

/// The Events for a change of conditions. A good condition of a new object is not an Event.
pub(super) fn events(before: &[Condition], after: &[Condition]) -> Vec<ConditionEvent> {
    after.iter().filter_map(|now| event(before.iter().find(|it| it.kind == now.kind), now)).collect()
}

fn event(before: Option<&Condition>, now: &Condition) -> Option<ConditionEvent> {
    let previous = before.map(|before| (before.status, before.reason));
    // Another edit that breaks the same rule is another refusal.
    let another_edit = now.kind == ConditionType::Accepted
        && before.is_some_and(|before| before.observed_generation != now.observed_generation);
    if previous == Some((now.status, now.reason)) && !(another_edit && is_bad(now)) {
        return None;
    }
    let recovered = before.is_some_and(is_bad) && !is_bad(now) && now.status != ConditionStatus::Unknown;
    let event = || ConditionEvent { warning: is_bad(now), reason: now.reason.to_string(), note: note(now) };
    (is_bad(now) || recovered).then(event)
}

/// Whether an operator has to act. Nodes that have not applied a change yet need no action, and `Ready` only repeats
/// other conditions.
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
    truncated(text)
}

fn truncated(text: &str) -> String {
    let end =
        (0..=text.len().min(MAX_NOTE)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].to_owned()
}

/// An Event's note may have 1,024 bytes.
const MAX_NOTE: usize = 1_000;

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
    fn a_refusal_and_its_end_are_events_and_nothing_else_is() {
        let good = |generation| accepted(ConditionStatus::True, Reason::Accepted, generation);
        let bad = |generation| accepted(ConditionStatus::False, Reason::RateOverParent, generation);
        assert_eq!(events(&[], &good(1)), []);
        assert_eq!(events(&good(1), &good(2)), []);
        let refused =
            ConditionEvent { warning: true, reason: "RateOverParent".to_owned(), note: String::new() };
        assert_eq!(events(&good(1), &bad(2)), std::slice::from_ref(&refused));
        assert_eq!(events(&bad(2), &bad(2)), []);
        assert_eq!(events(&bad(2), &bad(3)), [refused]);
        let note = "the spec is accepted".to_owned();
        let recovered = ConditionEvent { warning: false, reason: "Accepted".to_owned(), note };
        assert_eq!(events(&bad(3), &good(4)), [recovered]);
    }

    #[test]
    fn pending_nodes_are_no_event_and_a_node_that_refuses_is() {
        let programmed = |reason| [condition(ConditionType::Programmed, ConditionStatus::False, reason, 1)];
        assert_eq!(events(&[], &programmed(Reason::NodesPending)), []);
        assert_eq!(events(&programmed(Reason::NodesPending), &programmed(Reason::NodesUnreachable)), []);
        assert!(events(&programmed(Reason::NodesPending), &programmed(Reason::NodesRefused))[0].warning);
    }

    #[test]
    fn a_note_is_truncated_between_characters() {
        let mut long = condition(ConditionType::Accepted, ConditionStatus::False, Reason::InvalidSpec, 1);
        long.message = "ü".repeat(700);
        assert_eq!(note(&long), "ü".repeat(500));
    }

    #[test]
    fn an_invalid_reason_of_an_agent_is_replaced() {
        for (reason, expected) in
            [("ClassFull", "ClassFull"), ("", "Other"), ("two words", "Other"), (&"x".repeat(65), "Other")]
        {
            assert_eq!(ConditionEvent::warning(reason, "").reason, expected);
        }
    }
}
