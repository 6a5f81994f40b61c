//! How much a status has changed, and so how soon it is written.

use api::{ClassStatus, Condition, ConditionType, PoolStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How soon a status is to be written, the soonest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// Only what nodes count differs, or a message: when it is cheap.
    Calm,
    /// A condition differs, or a figure that follows from somebody's edit.
    Soon,
    /// What was accepted differs: at once, since a restart must know it.
    Now,
}

/// The status of either kind.
pub(super) trait Status: Clone + PartialEq {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];

    /// The same, to be changed.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;

    /// Of which generation it speaks.
    fn generation(&self) -> i64;

    /// Whether another says the same of what was accepted, and of which edit.
    fn same_acceptance(&self, other: &Self) -> bool;

    /// Whether another has the same figures, but for what nodes count.
    fn same_figures(&self, other: &Self) -> bool;

    /// Takes over those times that have not changed since `before`.
    fn keep_times(&mut self, before: Option<&Self>, now: &Time) {
        plan::keep_times(self.conditions_mut(), before.map_or(&[], Self::conditions), now);
    }
}

impl Status for ClassStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn generation(&self) -> i64 {
        self.observed_generation.unwrap_or_default()
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn same_acceptance(&self, other: &Self) -> bool {
        self.accepted == other.accepted && self.observed_generation == other.observed_generation
    }

    fn same_figures(&self, other: &Self) -> bool {
        self.effective == other.effective && self.assured == other.assured
    }
}

impl Status for PoolStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn generation(&self) -> i64 {
        self.observed_generation.unwrap_or_default()
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn same_acceptance(&self, other: &Self) -> bool {
        self.accepted == other.accepted && self.observed_generation == other.observed_generation
    }

    fn same_figures(&self, other: &Self) -> bool {
        self.effective == other.effective && self.assured == other.assured
    }

    fn keep_times(&mut self, before: Option<&Self>, now: &Time) {
        plan::keep_times(&mut self.conditions, before.map_or(&[], Self::conditions), now);
        let earlier = before.and_then(|before| before.output.as_ref());
        if let Some(output) = self.output.as_mut().filter(|output| output.served != output.promised) {
            let since = earlier.filter(|earlier| earlier.served == output.served);
            output.since = since.and_then(|earlier| earlier.since.clone()).or_else(|| Some(now.clone()));
        }
    }
}

/// How soon `now`, which has its times, must replace `before`; nothing if it says the same.
pub(super) fn urgency<S: Status>(before: Option<&S>, now: &S) -> Option<Priority> {
    let Some(before) = before else { return Some(Priority::Now) };
    if !before.same_acceptance(now) {
        return Some(Priority::Now);
    }
    // A condition that only a newer version knows is not ours to compare.
    let mut before = before.clone();
    before.conditions_mut().retain(|condition| condition.kind != ConditionType::Other);
    let verdicts = |status: &S| -> Vec<_> {
        let conditions = status.conditions().iter();
        let mut all: Vec<_> = conditions.map(|it| (it.kind, it.status as u8, it.reason)).collect();
        all.sort_unstable();
        all
    };
    if verdicts(&before) != verdicts(now) || !before.same_figures(now) {
        return Some(Priority::Soon);
    }
    before.conditions_mut().sort_unstable_by_key(|condition| condition.kind);
    let mut now = now.clone();
    now.conditions_mut().sort_unstable_by_key(|condition| condition.kind);
    (before != now).then_some(Priority::Calm)
}

#[cfg(test)]
mod tests {
    use api::{ConditionStatus, Reason};

    use super::*;

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::new(second, 0).expect("a small number of seconds is a time"))
    }

    fn status(ready: ConditionStatus, message: &str, generation: i64) -> ClassStatus {
        let condition = Condition {
            kind: ConditionType::Ready,
            status: ready,
            reason: Reason::AsPromised,
            message: message.to_owned(),
            observed_generation: Some(generation),
            last_transition_time: None,
        };
        ClassStatus {
            observed_generation: Some(generation),
            conditions: vec![condition],
            ..ClassStatus::default()
        }
    }

    fn timed(mut status: ClassStatus, before: Option<&ClassStatus>, second: i64) -> ClassStatus {
        status.keep_times(before, &time(second));
        status
    }

    #[test]
    fn what_differs_decides_how_soon_it_is_written() {
        let before = timed(status(ConditionStatus::True, "", 1), None, 10);
        let after = |ready, message, generation| timed(status(ready, message, generation), Some(&before), 20);
        let cases = [
            (after(ConditionStatus::True, "", 1), None),
            (after(ConditionStatus::True, "2 of 3", 1), Some(Priority::Calm)),
            (after(ConditionStatus::False, "", 1), Some(Priority::Soon)),
            (after(ConditionStatus::True, "", 2), Some(Priority::Now)),
        ];
        for (now, expected) in cases {
            assert_eq!(urgency(Some(&before), &now), expected, "{now:?}");
        }
        assert_eq!(urgency(None, &before), Some(Priority::Now));
    }

    #[test]
    fn a_condition_keeps_the_time_at_which_its_status_changed() {
        let before = timed(status(ConditionStatus::True, "", 1), None, 10);
        let same = timed(status(ConditionStatus::True, "other words", 2), Some(&before), 20);
        assert_eq!(same.conditions[0].last_transition_time, Some(time(10)));
        let turned = timed(status(ConditionStatus::False, "", 2), Some(&before), 30);
        assert_eq!(turned.conditions[0].last_transition_time, Some(time(30)));
    }

    #[test]
    fn a_condition_of_a_newer_version_is_no_difference() {
        let now = timed(status(ConditionStatus::True, "", 1), None, 10);
        let mut before = now.clone();
        before.conditions.push(Condition { kind: ConditionType::Other, ..before.conditions[0].clone() });
        assert_eq!(urgency(Some(&before), &now), None);
    }
}
