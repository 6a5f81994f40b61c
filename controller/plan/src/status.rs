//! The status of pools and classes.

use api::{
    Accepted, ClassEffective, ClassStatus, Condition, ConditionStatus, ConditionType, EntropyClassSpec,
    EntropyPoolSpec, NodeCount, Output, OutputStatus, PerNamespace, PerVm, PoolEffective, PoolStatus, Rate,
    Reason, Size, SourceAssessment, WorstSource,
};
use delivery::{ClassConfig, NamespaceBound, Shape};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions;
use crate::node_reports::Aggregate;
use crate::outcome::{ClassPlan, ObjectPlan, PoolPlan};
use crate::rejection::join_messages;

impl PoolPlan {
    /// The status without times; [`keep_transition_times`] adds them.
    pub fn status(&self, aggregate: &Aggregate) -> PoolStatus {
        PoolStatus {
            observed_generation: Some(self.generation),
            conditions: conditions::of_pool(self, aggregate),
            accepted: self.accepted_spec.clone(),
            effective: self.effective.clone(),
            nodes: Some(nodes(aggregate)),
            vms: Some(aggregate.vms),
            assured: self.assured.clone(),
            worst_source: worst_source(aggregate),
            sources: self.accepted_spec.iter().flat_map(assessments).collect(),
            output: self.accepted_spec.as_ref().map(|accepted| output(accepted.spec.output, aggregate)),
        }
    }
}

impl ClassPlan {
    /// The status without times; [`keep_transition_times`] adds them. `pool` is the plan of the class's pool.
    pub fn status(&self, aggregate: &Aggregate, pool: Option<&PoolPlan>) -> ClassStatus {
        ClassStatus {
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
fn output(promised: Output, aggregate: &Aggregate) -> OutputStatus {
    let served = if aggregate.degraded.count > 0 { Output::Stretched } else { promised };
    OutputStatus { promised, served, since: None }
}

impl<S, E> ObjectPlan<S, E> {
    /// The condition `Accepted`, with every broken rule and the spec that is in effect meanwhile.
    pub fn accepted_condition(&self) -> Condition {
        let (status, reason, message) = match &self.accepted {
            Ok(()) => (ConditionStatus::True, Reason::Accepted, join_messages(&self.standing_problems)),
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

/// The figures of a pool, in the spec's own spelling where the spec has them.
pub(crate) fn pool_effective(spec: &EntropyPoolSpec, shape: &Shape) -> PoolEffective {
    PoolEffective {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: Some(size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
    }
}

/// The figures of a class, in the spec's own spelling where the spec has them.
pub(crate) fn class_effective(spec: &EntropyClassSpec, config: &ClassConfig) -> ClassEffective {
    let shape = &config.shape;
    ClassEffective {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: (shape.rate.0 > 0).then(|| size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
        quantum: u32::try_from(htb::quantum(spec.weight)).ok(),
        max_vms: config.max_vms,
        per_vm: Some(per_vm(&spec.per_vm, &config.per_vm)),
        per_namespace: Some(per_namespace(&spec.per_namespace, &config.per_namespace, shape.ceil.0)),
    }
}

fn per_vm(spec: &PerVm, shape: &Shape) -> PerVm {
    PerVm {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: (shape.rate.0 > 0).then(|| size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
    }
}

fn per_namespace(spec: &PerNamespace, bound: &NamespaceBound, class_ceil: u64) -> PerNamespace {
    let ceil = bound.ceil.map_or(class_ceil, |ceil| ceil.0);
    PerNamespace { rate: spec.rate.clone(), ceil: rate(spec.ceil.as_ref(), ceil), max_vms: spec.max_vms }
}

/// In the spec's spelling if the value is the spec's; `None` for zero.
fn rate(written: Option<&Rate>, value: u64) -> Option<Rate> {
    let same = written.filter(|rate| rate.bytes_per_day() == value).cloned();
    same.or_else(|| (value > 0).then(|| Rate::from_bytes_per_day(value)))
}

fn size(written: Option<&Size>, value: u64) -> Size {
    written.cloned().unwrap_or_else(|| Size::from_bytes(value))
}

fn assessments(accepted: &Accepted<EntropyPoolSpec>) -> impl Iterator<Item = SourceAssessment> {
    accepted.spec.sources.iter().filter_map(|source| {
        let assessment = source.assessment.clone()?;
        Some(SourceAssessment { name: source.name.clone(), assessment })
    })
}
