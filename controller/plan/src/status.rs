//! The status of pools and classes.

use api::{
    Accepted, Condition, ConditionStatus, ConditionType, EntropyClassStatus, EntropyPoolSpec,
    EntropyPoolStatus, NodeCount, Output, OutputStatus, Reason, SourceAssessment, WorstSource,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions;
use crate::node_reports::Aggregate;
use crate::outcome::{ClassPlan, ObjectPlan, PoolPlan};
use crate::rejection::join_messages;
use crate::supply::is_credited;

impl PoolPlan {
    /// The status without times; [`keep_transition_times`] adds them.
    pub fn status(&self, aggregate: &Aggregate) -> EntropyPoolStatus {
        EntropyPoolStatus {
            observed_generation: Some(self.generation),
            conditions: conditions::of_pool(self, aggregate),
            accepted: self.accepted_spec.clone(),
            effective: self.effective.clone(),
            nodes: Some(nodes(aggregate)),
            vms: Some(aggregate.vms),
            assured: self.assured.clone(),
            worst_source: worst_source(aggregate),
            sources: self.accepted_spec.iter().flat_map(assessments).collect(),
            output: self.accepted_spec.as_ref().map(|accepted| output(&accepted.spec, aggregate)),
        }
    }
}

impl ClassPlan {
    /// The status without times; [`keep_transition_times`] adds them. `pool` is the plan of the class's pool.
    pub fn status(&self, aggregate: &Aggregate, pool: Option<&PoolPlan>) -> EntropyClassStatus {
        EntropyClassStatus {
            observed_generation: Some(self.generation),
            conditions: conditions::of_class(self, aggregate, pool),
            accepted: self.accepted_spec.clone(),
            effective: self.effective.clone(),
            nodes: Some(nodes(aggregate)),
            vms: Some(aggregate.vms),
            assured: self.assured.clone(),
        }
    }
}

/// Sets the time at which each condition's status last changed: the previous one if the status is the same, else
/// now.
pub fn keep_transition_times(conditions: &mut [Condition], before: &[Condition], now: &Time) {
    for condition in conditions {
        let same = before.iter().find(|it| it.kind == condition.kind && it.status == condition.status);
        let since = same.and_then(|it| it.last_transition_time.clone());
        condition.last_transition_time = Some(since.unwrap_or_else(|| now.clone()));
    }
}

fn nodes(aggregate: &Aggregate) -> NodeCount {
    NodeCount { selected: aggregate.selected, programmed: aggregate.programmed }
}

fn worst_source(aggregate: &Aggregate) -> Option<WorstSource> {
    let (state, name, nodes) = aggregate.worst_source.as_ref()?;
    Some(WorstSource { name: name.clone(), state: state.reason().to_string(), nodes: Some(nodes.count) })
}

/// What is served on the node that serves the least. A node that holds serves nothing, and nothing else than
/// promised either.
fn output(spec: &EntropyPoolSpec, aggregate: &Aggregate) -> OutputStatus {
    let promised = spec.output;
    let served = if aggregate.degraded.count > 0 { Output::Stretched } else { promised };
    OutputStatus { promised, served, note: raw_samples(spec), since: None }
}

/// What the bytes of a pool are worth whose output is `Raw`: at least what its weakest source has.
fn raw_samples(spec: &EntropyPoolSpec) -> Option<String> {
    let credited = spec.sources.iter().filter(|source| is_credited(source));
    let h = credited.filter_map(|source| source.min_entropy_per_byte.as_ref()).min()?;
    let note = format!("raw samples, H {h} bits per byte: condition before use");
    (spec.output == Output::Raw).then_some(note)
}

impl<S, E> ObjectPlan<S, E> {
    /// The condition `Accepted`, with every broken rule and the spec that stays in effect.
    pub fn accepted_condition(&self) -> Condition {
        let (status, reason, message) = match &self.accepted {
            Ok(()) => {
                let known = [&*self.standing_problems, &*self.warnings].concat();
                (ConditionStatus::True, Reason::Accepted, join_messages(&known))
            }
            Err(rejections) => {
                let reason = rejections.first().map_or(Reason::InvalidSpec, |first| first.reason);
                (ConditionStatus::False, reason, join_messages(rejections) + &self.in_effect())
            }
        };
        Condition {
            kind: ConditionType::Accepted,
            status,
            reason,
            message,
            observed_generation: Some(self.generation),
            last_transition_time: None,
        }
    }

    fn in_effect(&self) -> String {
        match &self.accepted_spec {
            Some(Accepted { generation, .. }) => format!(". Generation {generation} stays in effect"),
            None => ". No earlier generation was accepted, so nothing runs".to_owned(),
        }
    }
}

fn assessments(accepted: &Accepted<EntropyPoolSpec>) -> impl Iterator<Item = SourceAssessment> {
    accepted.spec.sources.iter().filter_map(|source| {
        let assessment = source.assessment.clone()?;
        Some(SourceAssessment { name: source.name.clone(), assessment })
    })
}
