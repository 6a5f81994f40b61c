//! What is told of an object as a whole: is it taken, does it run, are VMs served as promised.

use api::{Condition, ConditionStatus, ConditionType, Reason};

use crate::node_reports::{Aggregate, Group};
use crate::outcome::{ObjectPlan, PoolPlan};
use crate::rejection::sentences;

/// A condition before it is known of which generation it speaks.
type ConditionValue = (ConditionStatus, Reason, String);

/// All conditions of a pool.
pub(crate) fn of_pool(pool: &PoolPlan, tally: &Aggregate) -> Vec<Condition> {
    let served = served(tally);
    let ready = unaccepted(pool)
        .or_else(|| standing(pool))
        .or_else(|| unprogrammed(tally))
        .or_else(|| served.clone());
    vec![
        pool.accepted_condition(),
        condition(pool, ConditionType::SourcesHealthy, sources_healthy(tally)),
        condition(pool, ConditionType::Degraded, degraded(tally)),
        condition(pool, ConditionType::Programmed, programmed(tally)),
        condition(pool, ConditionType::Ready, ready.unwrap_or_else(|| as_promised(tally))),
    ]
}

/// All conditions of a class. What is wrong with its pool shows on it where its VMs feel it: a refused edit of
/// the pool does not.
pub(crate) fn of_class<S, E>(
    class: &ObjectPlan<S, E>,
    tally: &Aggregate,
    pool: Option<&PoolPlan>,
) -> Vec<Condition> {
    let of_pool = || pool.and_then(standing).or_else(|| served(tally)).map(not_ready);
    let ready =
        unaccepted(class).or_else(|| standing(class)).or_else(|| unprogrammed(tally)).or_else(of_pool);
    vec![
        class.accepted_condition(),
        condition(class, ConditionType::Programmed, programmed(tally)),
        condition(class, ConditionType::Ready, ready.unwrap_or_else(|| as_promised(tally))),
    ]
}

fn condition<S, E>(object: &ObjectPlan<S, E>, kind: ConditionType, verdict: ConditionValue) -> Condition {
    let (status, reason, message) = verdict;
    Condition {
        kind,
        status,
        reason,
        message,
        observed_generation: Some(object.generation),
        last_transition_time: None,
    }
}

fn as_promised(tally: &Aggregate) -> ConditionValue {
    let promised = "VMs are served as promised";
    // An agent goes on without its controller: that it cannot be heard takes nothing from anybody yet.
    let message = match tally.away.count {
        0 => promised.to_owned(),
        _ => format!("{promised}, as far as is known: {}", away(&tally.away)),
    };
    (ConditionStatus::True, Reason::AsPromised, message)
}

fn not_ready((_, reason, message): ConditionValue) -> ConditionValue {
    (ConditionStatus::False, Reason::PoolNotReady, format!("its pool: {reason}: {message}"))
}

fn unaccepted<S, E>(object: &ObjectPlan<S, E>) -> Option<ConditionValue> {
    object.accepted.as_ref().err()?;
    Some((ConditionStatus::False, Reason::NotAccepted, object.accepted_condition().message))
}

fn standing<S, E>(object: &ObjectPlan<S, E>) -> Option<ConditionValue> {
    let first = object.rejected_now.first()?;
    Some((ConditionStatus::False, first.reason, sentences(&object.rejected_now)))
}

fn unprogrammed(tally: &Aggregate) -> Option<ConditionValue> {
    let verdict = programmed(tally);
    (verdict.0 != ConditionStatus::True).then_some(verdict)
}

/// Whether every selected node runs it.
fn programmed(tally: &Aggregate) -> ConditionValue {
    let run = format!("{} of {} run it", tally.programmed, nodes(tally.selected));
    if tally.selected == 0 {
        let message = "no node that runs an agent is selected: look at nodeSelector, and at `kubectl get nodes -L \
                       entropool.io/agent`";
        return (ConditionStatus::False, Reason::NoNodes, message.to_owned());
    }
    if let Some((node, why)) = &tally.refused {
        return (
            ConditionStatus::False,
            Reason::NodesRefused,
            format!("node {node} refused it: {why}; {run}"),
        );
    }
    let complete = tally.programmed == tally.selected;
    match (complete, tally.away.count) {
        (true, 0) => (ConditionStatus::True, Reason::Programmed, run),
        // What it runs is known; that it cannot be heard is no change of that.
        (true, _) => (ConditionStatus::True, Reason::Programmed, format!("{run}; {}", away(&tally.away))),
        (false, 0) => (ConditionStatus::False, Reason::NodesPending, run),
        (false, _) => {
            (ConditionStatus::False, Reason::NodesUnreachable, format!("{run}; {}", away(&tally.away)))
        }
    }
}

/// What keeps a pool that runs from serving as promised.
fn served(tally: &Aggregate) -> Option<ConditionValue> {
    let (less, reason, message) = degraded(tally);
    if less == ConditionStatus::True {
        return Some((ConditionStatus::False, reason, message));
    }
    let sources = sources_healthy(tally);
    (sources.0 == ConditionStatus::False).then_some(sources)
}

fn degraded(tally: &Aggregate) -> ConditionValue {
    if tally.heard == 0 {
        return (ConditionStatus::Unknown, Reason::Pending, "no node has said what it serves".to_owned());
    }
    if tally.holding.count > 0 {
        let message = format!(
            "{} rather than less than was promised: VMs wait",
            on("nothing is served", &tally.holding)
        );
        return (ConditionStatus::True, Reason::Holding, message);
    }
    if tally.degraded.count > 0 {
        let message =
            on("classes with allowDegraded are served Stretched bytes, others wait,", &tally.degraded);
        return (ConditionStatus::True, Reason::ServingStretched, message);
    }
    (ConditionStatus::False, Reason::AsPromised, String::new())
}

fn sources_healthy(tally: &Aggregate) -> ConditionValue {
    if tally.heard == 0 {
        return (
            ConditionStatus::Unknown,
            Reason::Pending,
            "no node has said how its sources are".to_owned(),
        );
    }
    let worst = tally.worst.as_ref().filter(|(state, ..)| !state.is_healthy());
    let told =
        worst.map(|(state, source, nodes)| on(&format!("source {source} is {}", state.reason()), nodes));
    if tally.unhealthy.count == 0 {
        return (
            ConditionStatus::True,
            Reason::Healthy,
            told.map_or_else(String::new, |it| format!("{it}; the others are enough")),
        );
    }
    let reason = worst.map_or(Reason::TooFewHealthySources, |(state, ..)| state.reason());
    let too_few = on("too few sources are healthy", &tally.unhealthy);
    (ConditionStatus::False, reason, told.map_or(too_few.clone(), |it| format!("{it}; {too_few}")))
}

fn away(group: &Group) -> String {
    format!("{group} {} not connected", if group.count == 1 { "is" } else { "are" })
}

fn on(what: &str, group: &Group) -> String {
    format!("{what} on {group}")
}

fn nodes(count: u32) -> String {
    format!("{count} node{}", if count == 1 { "" } else { "s" })
}
