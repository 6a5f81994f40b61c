//! What a plan adds to the status of an object.

use api::{
    Accepted, ClassEffective, ClassStatus, Condition, ConditionStatus, ConditionType, EntropyClassSpec,
    EntropyPoolSpec, PerNamespace, PerVm, PoolEffective, PoolStatus, Rate, Reason, Size, SourceAssessment,
};
use delivery::{ClassConfig, NamespaceBound, Shape};

use crate::outcome::{ClassPlan, ObjectPlan, PoolPlan};
use crate::refusal::Refusal;

impl PoolPlan {
    /// The part of the status that the plan knows; what nodes report is not in it.
    pub fn status(&self) -> PoolStatus {
        PoolStatus {
            observed_generation: Some(self.generation),
            conditions: vec![self.accepted_condition()],
            accepted: self.accepted_spec.clone(),
            effective: self.effective.clone(),
            assured: self.assured.clone(),
            sources: self.accepted_spec.iter().flat_map(assessments).collect(),
            ..PoolStatus::default()
        }
    }
}

impl ClassPlan {
    /// The part of the status that the plan knows; what nodes report is not in it.
    pub fn status(&self) -> ClassStatus {
        ClassStatus {
            observed_generation: Some(self.generation),
            conditions: vec![self.accepted_condition()],
            accepted: self.accepted_spec.clone(),
            effective: self.effective.clone(),
            assured: self.assured.clone(),
            ..ClassStatus::default()
        }
    }
}

impl<S, E> ObjectPlan<S, E> {
    /// The condition `Accepted`: with every rule that is broken, and what runs meanwhile.
    pub fn accepted_condition(&self) -> Condition {
        let (status, reason, message) = match &self.accepted {
            Ok(()) => (ConditionStatus::True, Reason::Accepted, sentences(&self.standing)),
            Err(refusals) => {
                let reason = refusals.first().map_or(Reason::InvalidSpec, |first| first.reason);
                (ConditionStatus::False, reason, sentences(refusals) + &self.meanwhile())
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

    fn meanwhile(&self) -> String {
        match &self.accepted_spec {
            Some(Accepted { generation, .. }) => format!(". Generation {generation} goes on"),
            None => ". Nothing of it runs".to_owned(),
        }
    }
}

/// The figures of a pool, as they were written where they were.
pub(crate) fn pool_effective(spec: &EntropyPoolSpec, shape: &Shape) -> PoolEffective {
    PoolEffective {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: Some(size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
    }
}

/// The figures of a class, as they were written where they were.
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

/// In the user's spelling if it is the user's figure. Zero is nothing.
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

fn sentences(refusals: &[Refusal]) -> String {
    let each = refusals.iter().map(|refusal| format!("{}: {}", refusal.field, refusal.message));
    each.collect::<Vec<_>>().join("; ")
}
