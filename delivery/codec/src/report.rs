//! Reports. Unknown values are skipped, because reports decide nothing.

use delivery::{
    AgentCondition, AgentState, AlarmReport, BytesPerDay, ClassUse, Report, ServingState, SourceReport,
    SourceState, SupplyReport, SupplyReports, Usage, VmReport, VmsReport,
};
use proto::delivery as pb;

pub(crate) fn to_proto(report: Report) -> pb::Report {
    pb::Report {
        agent: report.agent.map(agent_to_proto),
        vms: report.vms.map(vms_to_proto),
        usage: report.usage.map(usage_to_proto),
        supplies: report.supplies.map(supplies_to_proto),
    }
}

pub(crate) fn from_proto(report: pb::Report) -> Report {
    Report {
        agent: report.agent.map(agent_from_proto),
        vms: report.vms.map(vms_from_proto),
        usage: report.usage.map(usage_from_proto),
        supplies: report.supplies.map(supplies_from_proto),
    }
}

fn agent_to_proto(agent: AgentState) -> pb::AgentState {
    let condition = |(r#type, AgentCondition { status, reason, message })| pb::Condition {
        r#type,
        status,
        reason,
        message,
    };
    pb::AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn agent_from_proto(agent: pb::AgentState) -> AgentState {
    let condition = |pb::Condition { r#type, status, reason, message }| {
        (r#type, AgentCondition { status, reason, message })
    };
    AgentState { ready: agent.ready, conditions: agent.conditions.into_iter().map(condition).collect() }
}

fn vms_to_proto(vms: VmsReport) -> pb::Vms {
    let vm = |(uid, VmReport { pool, class, slot, orphaned })| {
        let slot = slot.unwrap_or_default();
        pb::Vm { uid, pool, class, slot, orphaned }
    };
    pb::Vms {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn vms_from_proto(vms: pb::Vms) -> VmsReport {
    let vm = |pb::Vm { uid, pool, class, slot, orphaned }| {
        let slot = Some(slot).filter(|slot| !slot.is_empty());
        (uid, VmReport { pool, class, slot, orphaned })
    };
    VmsReport {
        whole: vms.whole,
        vms: vms.vms.into_iter().map(vm).collect(),
        gone: vms.gone.into_iter().collect(),
    }
}

fn usage_to_proto(usage: Usage) -> pb::ClassUsage {
    let class = |((pool, class), ClassUse { vms, assured, waiting })| pb::ClassUse {
        pool,
        class,
        vms,
        assured: assured.0,
        waiting,
    };
    pb::ClassUsage { classes: usage.into_iter().map(class).collect() }
}

fn usage_from_proto(usage: pb::ClassUsage) -> Usage {
    let class = |pb::ClassUse { pool, class, vms, assured, waiting }| {
        ((pool, class), ClassUse { vms, assured: BytesPerDay(assured), waiting })
    };
    usage.classes.into_iter().map(class).collect()
}

fn supplies_to_proto(supplies: SupplyReports) -> pb::Supplies {
    let supply = |(pool, SupplyReport { serving, message, sources })| pb::Supply {
        pool,
        serving: serving_to_proto(serving).into(),
        message,
        sources: sources.into_iter().map(source_to_proto).collect(),
    };
    pb::Supplies { pools: supplies.into_iter().map(supply).collect() }
}

fn supplies_from_proto(supplies: pb::Supplies) -> SupplyReports {
    let supply = |supply: pb::Supply| {
        let serving = serving_from_proto(supply.serving())?;
        let sources = supply.sources.into_iter().filter_map(source_from_proto).collect();
        Some((supply.pool, SupplyReport { serving, message: supply.message, sources }))
    };
    supplies.pools.into_iter().filter_map(supply).collect()
}

fn serving_to_proto(serving: ServingState) -> pb::Serving {
    match serving {
        ServingState::Starting => pb::Serving::Starting,
        ServingState::Promised => pb::Serving::Promised,
        ServingState::Degraded => pb::Serving::Degraded,
        ServingState::Held => pb::Serving::Held,
    }
}

fn serving_from_proto(serving: pb::Serving) -> Option<ServingState> {
    match serving {
        pb::Serving::Starting => Some(ServingState::Starting),
        pb::Serving::Promised => Some(ServingState::Promised),
        pb::Serving::Degraded => Some(ServingState::Degraded),
        pb::Serving::Held => Some(ServingState::Held),
        pb::Serving::Unspecified => None,
    }
}

fn source_to_proto(source: SourceReport) -> pb::SourceState {
    let SourceReport { name, health, reason, message, alarm } = source;
    let health = match health {
        SourceState::Healthy => pb::Health::Healthy,
        SourceState::Starting => pb::Health::Starting,
        SourceState::Suspect => pb::Health::Suspect,
        SourceState::Unavailable => pb::Health::Unavailable,
        SourceState::Failed => pb::Health::Failed,
    };
    pb::SourceState { name, health: health.into(), reason, message, alarm: alarm.map(alarm_to_proto) }
}

fn alarm_to_proto(alarm: AlarmReport) -> pb::Alarm {
    let AlarmReport { ordinal, test, count, offset, permanent } = alarm;
    pb::Alarm { ordinal, test, count, offset, permanent }
}

fn alarm_from_proto(alarm: pb::Alarm) -> AlarmReport {
    let pb::Alarm { ordinal, test, count, offset, permanent } = alarm;
    AlarmReport { ordinal, test, count, offset, permanent }
}

fn source_from_proto(source: pb::SourceState) -> Option<SourceReport> {
    let health = match source.health() {
        pb::Health::Healthy => SourceState::Healthy,
        pb::Health::Starting => SourceState::Starting,
        pb::Health::Suspect => SourceState::Suspect,
        pb::Health::Unavailable => SourceState::Unavailable,
        pb::Health::Failed => SourceState::Failed,
        pb::Health::Unspecified => return None,
    };
    let pb::SourceState { name, reason, message, alarm, .. } = source;
    Some(SourceReport { name, health, reason, message, alarm: alarm.map(alarm_from_proto) })
}
