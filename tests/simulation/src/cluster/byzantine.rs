//! What somebody says who has a node's token and is no agent.

use std::collections::BTreeSet;

use delivery::{
    AgentCondition, AgentState, AgentSubscription, FromAgent, Nack, Report, ServingState, SourceReport,
    SourceState, SupplyReport, VmReport, VmsReport,
};
use soak::Rng;

/// More than a node can have.
const TOO_MANY_VMS: u64 = 10_500;

/// One message, or many. `pods` are the uids of all pods, and `nodes` the names of all nodes.
pub(crate) fn lies(dice: &mut Rng, pods: &[String], nodes: &[String]) -> Vec<FromAgent> {
    match dice.below(40) {
        0..=14 => vec![report(Report { vms: Some(vms(dice, pods, 40)), ..Report::default() })],
        15..=22 => vec![report(Report { agent: Some(state(dice)), ..Report::default() })],
        23..=28 => vec![report(Report { supplies: Some(supplies(dice)), ..Report::default() })],
        29..=31 => vec![FromAgent::Ack { nonce: dice.below(9), refused: Vec::new() }],
        32 => vec![FromAgent::Nack { nonce: dice.below(9), refusal: Nack::new("Why", long(dice)) }],
        33..=35 => vec![FromAgent::Moved { ticket: dice.below(9), result: Err(Nack::new("No", long(dice))) }],
        36..=37 => {
            let node = dice.pick(nodes).clone();
            vec![FromAgent::Subscribe(AgentSubscription { node, ..AgentSubscription::default() })]
        }
        38 => vec![FromAgent::Nack { nonce: 1, refusal: Nack::new("Flood", "") }; 150],
        _ if dice.once_in(6) => {
            vec![report(Report { vms: Some(vms(dice, pods, TOO_MANY_VMS)), ..Report::default() })]
        }
        _ => vec![report(Report::default())],
    }
}

fn report(report: Report) -> FromAgent {
    FromAgent::Report(report)
}

/// VMs that are invented, and those of others.
fn vms(dice: &mut Rng, pods: &[String], most: u64) -> VmsReport {
    let count = 1 + dice.below(most);
    let mut vm = |number: u64| {
        let uid = if !pods.is_empty() && dice.once_in(2) {
            dice.pick(pods).clone()
        } else {
            format!("invented-{number}")
        };
        let class =
            if dice.once_in(2) { (*dice.pick(&["gold", "silver"])).to_owned() } else { format!("c{number}") };
        let slot = dice.once_in(2).then(|| class.clone());
        (uid, VmReport { pool: "default".to_owned(), class, slot, orphaned: number % 3 == 0 })
    };
    let vms = (0..count).map(&mut vm).collect();
    let gone = BTreeSet::from([format!("invented-{}", dice.below(most))]);
    VmsReport { whole: dice.once_in(3), vms, gone }
}

fn state(dice: &mut Rng) -> AgentState {
    let condition =
        |status, dice: &mut Rng| AgentCondition { status, reason: long(dice), message: long(dice) };
    let count = dice.below(30);
    let conditions = (0..count).map(|number| (format!("T{number}"), condition(true, dice)));
    AgentState { conditions: conditions.collect(), ready: dice.once_in(2) }
}

fn supplies(dice: &mut Rng) -> delivery::SupplyReports {
    let source = |number: u64, dice: &mut Rng| SourceReport {
        name: format!("s{number}"),
        health: SourceState::Failed,
        reason: "SourceLied".to_owned(),
        message: long(dice),
        alarm: None,
    };
    let pools = 1 + dice.below(4);
    let mut supply = |number: u64| {
        let count = dice.below(40);
        let sources = (0..count).map(|source_number| source(source_number, dice)).collect();
        let name = if number == 0 { "default".to_owned() } else { format!("p{number}") };
        (name, SupplyReport { serving: ServingState::Held, message: String::new(), sources })
    };
    (0..pools).map(&mut supply).collect()
}

fn long(dice: &mut Rng) -> String {
    let length = usize::try_from(dice.below(3_000)).unwrap_or_default();
    "x".repeat(length)
}
