//! Reports. What is not known in them is passed over: they decide nothing.

use delivery::{
    AgentCondition, AgentState, BytesPerDay, ClassUse, Report, Serving, SourceHealth, SourceReport,
    SupplyReport, SupplyReports, Usage, VmReport, VmsReport,
};
use proto::delivery as wire;

pub(crate) fn to_wire(report: Report) -> wire::Report {
    wire::Report {
        agent: report.agent.map(agent_to_wire),
        vms: report.vms.map(vms_to_wire),
        usage: report.usage.map(usage_to_wire),
        supplies: report.supplies.map(supplies_to_wire),
    }
}

pub(crate) fn of_wire(report: wire::Report) -> Report {
    Report {
        agent: report.agent.map(agent_of_wire),
        vms: report.vms.map(vms_of_wire),
        usage: report.usage.map(usage_of_wire),
        supplies: report.supplies.map(supplies_of_wire),
    }
}

fn agent_to_wire(agent: AgentState) -> wire::AgentState {
    let condition = |(r#type, AgentCondition { status, reason, message })| wire::Condition {
        r#type,
        status,
        reason,
        message,
    };
    wire::AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn agent_of_wire(agent: wire::AgentState) -> AgentState {
    let condition = |wire::Condition { r#type, status, reason, message }| {
        (r#type, AgentCondition { status, reason, message })
    };
    AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn vms_to_wire(vms: VmsReport) -> wire::Vms {
    let vm = |(uid, VmReport { pool, class, slot: slot, orphaned: orphaned })| {
        let slot = slot.unwrap_or_default();
        wire::Vm { uid, pool, class, slot, orphaned }
    };
    wire::Vms {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn vms_of_wire(vms: wire::Vms) -> VmsReport {
    let vm = |wire::Vm { uid, pool, class, slot, orphaned }| {
        let slot = Some(slot).filter(|slot| !slot.is_empty());
        (uid, VmReport { pool, class, slot: slot, orphaned: orphaned })
    };
    VmsReport {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn usage_to_wire(usage: Usage) -> wire::ClassUsage {
    let class = |((pool, class), ClassUse { vms, assured, waiting })| wire::ClassUse {
        pool,
        class,
        vms,
        assured: assured.0,
        waiting,
    };
    wire::ClassUsage { classes: usage.into_iter().map(class).collect() }
}

fn usage_of_wire(usage: wire::ClassUsage) -> Usage {
    let class = |wire::ClassUse { pool, class, vms, assured, waiting }| {
        ((pool, class), ClassUse { vms, assured: BytesPerDay(assured), waiting })
    };
    usage.classes.into_iter().map(class).collect()
}

fn supplies_to_wire(supplies: SupplyReports) -> wire::Supplies {
    let supply = |(pool, SupplyReport { serving, message, sources })| wire::Supply {
        pool,
        serving: serving_to_wire(serving).into(),
        message,
        sources: sources.into_iter().map(source_to_wire).collect(),
    };
    wire::Supplies { pools: supplies.into_iter().map(supply).collect() }
}

fn supplies_of_wire(supplies: wire::Supplies) -> SupplyReports {
    let supply = |supply: wire::Supply| {
        let serving = serving_of_wire(supply.serving())?;
        let sources = supply.sources.into_iter().filter_map(source_of_wire).collect();
        Some((supply.pool, SupplyReport { serving, message: supply.message, sources }))
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

fn source_to_wire(source: SourceReport) -> wire::SourceState {
    let SourceReport { name, health, reason, message } = source;
    let health = match health {
        SourceHealth::Healthy => wire::Health::Healthy,
        SourceHealth::Starting => wire::Health::Starting,
        SourceHealth::Suspect => wire::Health::Suspect,
        SourceHealth::Unavailable => wire::Health::Unavailable,
        SourceHealth::Failed => wire::Health::Failed,
    };
    wire::SourceState { name, health: health.into(), reason, message }
}

fn source_of_wire(source: wire::SourceState) -> Option<SourceReport> {
    let health = match source.health() {
        wire::Health::Healthy => SourceHealth::Healthy,
        wire::Health::Starting => SourceHealth::Starting,
        wire::Health::Suspect => SourceHealth::Suspect,
        wire::Health::Unavailable => SourceHealth::Unavailable,
        wire::Health::Failed => SourceHealth::Failed,
        wire::Health::Unspecified => return None,
    };
    let wire::SourceState { name, reason, message, .. } = source;
    Some(SourceReport { name, health, reason, message })
}
