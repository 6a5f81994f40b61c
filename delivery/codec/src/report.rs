//! Reports. What is not known in them is passed over: they decide nothing.

use delivery::{
    AgentState, BytesPerDay, ClassUse, Condition, Health, Report, Serving, SourceState, Supplies, Supply,
    Usage, Vm, VmsReport,
};
use proto::delivery as wire;

pub(crate) fn to_wire(report: Report) -> wire::Report {
    wire::Report {
        agent: report.agent.map(agent_to_wire),
        vms: report.vms.map(vms_to_wire),
        r#use: report.usage.map(usage_to_wire),
        supplies: report.supplies.map(supplies_to_wire),
    }
}

pub(crate) fn of_wire(report: wire::Report) -> Report {
    Report {
        agent: report.agent.map(agent_of_wire),
        vms: report.vms.map(vms_of_wire),
        usage: report.r#use.map(usage_of_wire),
        supplies: report.supplies.map(supplies_of_wire),
    }
}

fn agent_to_wire(agent: AgentState) -> wire::AgentState {
    let condition =
        |(r#type, Condition { status, reason, message })| wire::Condition { r#type, status, reason, message };
    wire::AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn agent_of_wire(agent: wire::AgentState) -> AgentState {
    let condition =
        |wire::Condition { r#type, status, reason, message }| (r#type, Condition { status, reason, message });
    AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn vms_to_wire(vms: VmsReport) -> wire::Vms {
    let vm = |(uid, Vm { pool, class, place, outlived })| {
        let place = place.unwrap_or_default();
        wire::Vm { uid, pool, class, place, outlived }
    };
    wire::Vms {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn vms_of_wire(vms: wire::Vms) -> VmsReport {
    let vm = |wire::Vm { uid, pool, class, place, outlived }| {
        let place = Some(place).filter(|place| !place.is_empty());
        (uid, Vm { pool, class, place, outlived })
    };
    VmsReport {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn usage_to_wire(usage: Usage) -> wire::Use {
    let class = |((pool, class), ClassUse { vms, assured, waiting })| wire::ClassUse {
        pool,
        class,
        vms,
        assured: assured.0,
        waiting,
    };
    wire::Use { classes: usage.into_iter().map(class).collect() }
}

fn usage_of_wire(usage: wire::Use) -> Usage {
    let class = |wire::ClassUse { pool, class, vms, assured, waiting }| {
        ((pool, class), ClassUse { vms, assured: BytesPerDay(assured), waiting })
    };
    usage.classes.into_iter().map(class).collect()
}

fn supplies_to_wire(supplies: Supplies) -> wire::Supplies {
    let supply = |(pool, Supply { serving, message, sources })| wire::Supply {
        pool,
        serving: serving_to_wire(serving).into(),
        message,
        sources: sources.into_iter().map(source_to_wire).collect(),
    };
    wire::Supplies { pools: supplies.into_iter().map(supply).collect() }
}

fn supplies_of_wire(supplies: wire::Supplies) -> Supplies {
    let supply = |supply: wire::Supply| {
        let serving = serving_of_wire(supply.serving())?;
        let sources = supply.sources.into_iter().filter_map(source_of_wire).collect();
        Some((supply.pool, Supply { serving, message: supply.message, sources }))
    };
    supplies.pools.into_iter().filter_map(supply).collect()
}

fn serving_to_wire(serving: Serving) -> wire::Serving {
    match serving {
        Serving::Starting => wire::Serving::Starting,
        Serving::Promised => wire::Serving::Promised,
        Serving::Degraded => wire::Serving::Degraded,
        Serving::Held => wire::Serving::Held,
    }
}

fn serving_of_wire(serving: wire::Serving) -> Option<Serving> {
    match serving {
        wire::Serving::Starting => Some(Serving::Starting),
        wire::Serving::Promised => Some(Serving::Promised),
        wire::Serving::Degraded => Some(Serving::Degraded),
        wire::Serving::Held => Some(Serving::Held),
        wire::Serving::Unspecified => None,
    }
}

fn source_to_wire(source: SourceState) -> wire::SourceState {
    let SourceState { name, health, reason, message } = source;
    let health = match health {
        Health::Healthy => wire::Health::Healthy,
        Health::Starting => wire::Health::Starting,
        Health::Suspect => wire::Health::Suspect,
        Health::Unavailable => wire::Health::Unavailable,
        Health::Failed => wire::Health::Failed,
    };
    wire::SourceState { name, health: health.into(), reason, message }
}

fn source_of_wire(source: wire::SourceState) -> Option<SourceState> {
    let health = match source.health() {
        wire::Health::Healthy => Health::Healthy,
        wire::Health::Starting => Health::Starting,
        wire::Health::Suspect => Health::Suspect,
        wire::Health::Unavailable => Health::Unavailable,
        wire::Health::Failed => Health::Failed,
        wire::Health::Unspecified => return None,
    };
    let wire::SourceState { name, reason, message, .. } = source;
    Some(SourceState { name, health, reason, message })
}
