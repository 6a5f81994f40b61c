//! The conditions of pools and classes: whether the spec is accepted, whether it runs, whether VMs are served as
//! promised.

use api::{Condition, ConditionStatus, ConditionType, Reason};

use crate::node_reports::{Aggregate, Group};
use crate::outcome::{ObjectPlan, PoolPlan};
use crate::rejection::join_messages;

/// A condition without its type and generation.
type ConditionValue = (ConditionStatus, Reason, String);

pub(crate) fn of_pool(pool: &PoolPlan, aggregate: &Aggregate) -> Vec<Condition> {
    let ready = not_accepted(pool)
        .or_else(|| standing(pool))
        .or_else(|| not_programmed(aggregate))
        .or_else(|| not_served(aggregate));
    vec![
        pool.accepted_condition(),
        condition(pool, ConditionType::SourcesHealthy, sources_healthy(aggregate)),
        condition(pool, ConditionType::Degraded, degraded(aggregate)),
        condition(pool, ConditionType::Programmed, programmed(aggregate)),
        condition(pool, ConditionType::Ready, ready.unwrap_or_else(|| as_promised(aggregate))),
    ]
}

/// A problem of the pool is shown on the class if it affects the class's VMs: a refused edit of the pool does not.
pub(crate) fn of_class<S, E>(
    class: &ObjectPlan<S, E>,
    aggregate: &Aggregate,
    pool: Option<&PoolPlan>,
) -> Vec<Condition> {
    let of_pool = || pool.and_then(standing).or_else(|| not_served(aggregate)).map(pool_not_ready);
    let ready = not_accepted(class)
        .or_else(|| standing(class))
        .or_else(|| not_programmed(aggregate))
        .or_else(of_pool);
    vec![
        class.accepted_condition(),
        condition(class, ConditionType::Programmed, programmed(aggregate)),
        condition(class, ConditionType::Ready, ready.unwrap_or_else(|| as_promised(aggregate))),
    ]
}

fn condition<S, E>(object: &ObjectPlan<S, E>, kind: ConditionType, value: ConditionValue) -> Condition {
    let (status, reason, message) = value;
    Condition {
        kind,
        status,
        reason,
        message,
        observed_generation: Some(object.generation),
        last_transition_time: None,
    }
}

fn as_promised(aggregate: &Aggregate) -> ConditionValue {
    let promised = "VMs are served as promised";
    // An agent keeps serving without its controller, so a lost connection alone takes nothing from VMs.
    let message = match aggregate.away.count {
        0 => promised.to_owned(),
        _ => format!("{promised}, as far as known: {}", away(&aggregate.away)),
    };
    (ConditionStatus::True, Reason::AsPromised, message)
}

fn pool_not_ready((_, reason, message): ConditionValue) -> ConditionValue {
    (ConditionStatus::False, Reason::PoolNotReady, format!("the pool is not ready: {reason}: {message}"))
}

fn not_accepted<S, E>(object: &ObjectPlan<S, E>) -> Option<ConditionValue> {
    object.accepted.as_ref().err()?;
    Some((ConditionStatus::False, Reason::NotAccepted, object.accepted_condition().message))
}

fn standing<S, E>(object: &ObjectPlan<S, E>) -> Option<ConditionValue> {
    let first = object.standing_problems.first()?;
    Some((ConditionStatus::False, first.reason, join_messages(&object.standing_problems)))
}

fn not_programmed(aggregate: &Aggregate) -> Option<ConditionValue> {
    let value = programmed(aggregate);
    (value.0 != ConditionStatus::True).then_some(value)
}

fn programmed(aggregate: &Aggregate) -> ConditionValue {
    let run = format!("{} of {} run it", aggregate.programmed, nodes(aggregate.selected));
    if aggregate.selected == 0 {
        let message = "no node that runs an agent is selected: check nodeSelector, and the labels that `kubectl get \
                       nodes -L entropool.io/agent` shows";
        return (ConditionStatus::False, Reason::NoNodes, message.to_owned());
    }
    if let Some((node, why)) = &aggregate.refused {
        let message = format!("node {node} refused it: {why}; {run}");
        return (ConditionStatus::False, Reason::NodesRefused, message);
    }
    let complete = aggregate.programmed == aggregate.selected;
    match (complete, aggregate.away.count) {
        (true, 0) => (ConditionStatus::True, Reason::Programmed, run),
        // A node that is not connected keeps running what it last reported.
        (true, _) => (ConditionStatus::True, Reason::Programmed, format!("{run}; {}", away(&aggregate.away))),
        (false, 0) => (ConditionStatus::False, Reason::NodesPending, run),
        (false, _) => {
            (ConditionStatus::False, Reason::NodesUnreachable, format!("{run}; {}", away(&aggregate.away)))
        }
    }
}

/// Why a running pool does not serve as promised.
fn not_served(aggregate: &Aggregate) -> Option<ConditionValue> {
    let (status, reason, message) = degraded(aggregate);
    if status == ConditionStatus::True {
        return Some((ConditionStatus::False, reason, message));
    }
    let sources = sources_healthy(aggregate);
    (sources.0 == ConditionStatus::False).then_some(sources)
}

fn degraded(aggregate: &Aggregate) -> ConditionValue {
    if aggregate.reporting == 0 {
        return (ConditionStatus::Unknown, Reason::Pending, "no node has reported what it serves".to_owned());
    }
    if aggregate.holding.count > 0 {
        let message = on_nodes(
            "too few sources are healthy for the promised output, so nothing is served and VMs wait",
            &aggregate.holding,
        );
        return (ConditionStatus::True, Reason::Holding, message);
    }
    if aggregate.degraded.count > 0 {
        let message = on_nodes(
            "classes with allowDegraded are served Stretched bytes, and other classes wait",
            &aggregate.degraded,
        );
        return (ConditionStatus::True, Reason::ServingStretched, message);
    }
    (ConditionStatus::False, Reason::AsPromised, String::new())
}

fn sources_healthy(aggregate: &Aggregate) -> ConditionValue {
    if aggregate.reporting == 0 {
        let message = "no node has reported the state of its sources";
        return (ConditionStatus::Unknown, Reason::Pending, message.to_owned());
    }
    let worst = aggregate.worst_source.as_ref().filter(|(state, ..)| !state.is_healthy());
    let description = worst
        .map(|(state, source, nodes)| on_nodes(&format!("source {source} is {}", state.reason()), nodes));
    if aggregate.unhealthy.count == 0 {
        return (
            ConditionStatus::True,
            Reason::Healthy,
            description.map_or_else(String::new, |it| format!("{it}; the others are enough")),
        );
    }
    let reason = worst.map_or(Reason::TooFewHealthySources, |(state, ..)| state.reason());
    let too_few = on_nodes("too few sources are healthy", &aggregate.unhealthy);
    (ConditionStatus::False, reason, description.map_or(too_few.clone(), |it| format!("{it}; {too_few}")))
}

fn away(group: &Group) -> String {
    format!("{group} {} not connected", if group.count == 1 { "is" } else { "are" })
}

fn on_nodes(what: &str, group: &Group) -> String {
    format!("{what} on {group}")
}

fn nodes(count: u32) -> String {
    format!("{count} node{}", if count == 1 { "" } else { "s" })
}
