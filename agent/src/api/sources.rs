//! The states of pools and their sources, as messages of the local API.

use dataplane::SourcesSnapshot;
use delivery::{NodeConfig, PoolConfig, SourceConfig};
use proto::local as wire;
use source::health::HealthState;
use source::{AlarmRecord, Kernel, Output, PoolStatus, Serving, SourceKind, SourceStatus};

use crate::config::sources;

/// By pool, then in the order of the pool's manifest.
pub(crate) fn list(config: &NodeConfig, found: &SourcesSnapshot) -> Vec<wire::Source> {
    let of_pool = |pool: &PoolConfig| {
        if let Some(status) = status(&pool.name, found) {
            let source = |source: &SourceStatus| wire::Source {
                raw_min_entropy_thousandths: raw_min_entropy(pool, &source.name),
                ..self::source(&pool.name, source, found)
            };
            status.sources.iter().map(source).collect()
        } else {
            let kernel = |source| kernel(&pool.name, source, found.kernel_seeded);
            pool.sources.iter().map(kernel).collect::<Vec<_>>()
        }
    };
    config.pools.iter().flat_map(of_pool).collect()
}

fn raw_min_entropy(pool: &PoolConfig, name: &str) -> Option<u32> {
    let named = pool.sources.iter().find(|source| source.name == name)?;
    named.min_entropy_thousandths.map(u32::from).filter(|_| pool.output == delivery::Output::Raw)
}

/// A pool's output, the number of its healthy sources, and that of all its sources.
pub(crate) fn output(
    name: &str,
    config: &NodeConfig,
    found: &SourcesSnapshot,
) -> (wire::PoolOutput, usize, usize) {
    let pool = config.pools.iter().find(|pool| pool.name == name);
    let raw_min_entropy_thousandths = pool.and_then(sources::raw_min_entropy).map(u32::from);
    if let Some(status) = status(name, found) {
        // One with a reason earns no credit.
        let is_healthy =
            |source: &&SourceStatus| source.state == HealthState::Healthy && source.reason.is_none();
        let healthy = status.sources.iter().filter(is_healthy).count();
        let output = pool_output(status, found.now.0);
        let output = wire::PoolOutput { raw_min_entropy_thousandths, ..output };
        return (output, healthy, status.sources.len());
    }
    let count = pool.map_or(0, |pool| pool.sources.len());
    let promised = pool.map_or(Output::Stretched, |pool| sources::output(pool.output));
    let promised = promise(promised).into();
    if !found.kernel_seeded {
        let message = Some(format!("starts: {}", Kernel::NOT_SEEDED.1));
        let serving = wire::Serving::Starting.into();
        return (wire::PoolOutput { promised, serving, message, ..wire::PoolOutput::default() }, 0, count);
    }
    let serving = wire::Serving::Promised.into();
    let output = wire::PoolOutput { promised, serving, raw_min_entropy_thousandths, ..Default::default() };
    (output, count, count)
}

fn status<'a>(pool: &str, found: &'a SourcesSnapshot) -> Option<&'a PoolStatus> {
    found.pools.iter().find(|status| status.name == pool)
}

fn pool_output(status: &PoolStatus, now: u64) -> wire::PoolOutput {
    let serving = match status.serving {
        Serving::Starting => wire::Serving::Starting,
        Serving::Promised => wire::Serving::Promised,
        Serving::Degraded => wire::Serving::Degraded,
        Serving::Held => wire::Serving::Held,
    };
    wire::PoolOutput {
        promised: promise(status.promised).into(),
        serving: serving.into(),
        duration: Some(now.saturating_sub(status.since)),
        message: present(&status.message),
        raw_min_entropy_thousandths: None,
    }
}

fn alarm(alarm: &AlarmRecord, wall: u64) -> wire::Alarm {
    wire::Alarm {
        ordinal: alarm.ordinal,
        time: alarm.time,
        // 64 bits of nanoseconds are 584 years.
        age: wall.saturating_sub(alarm.time).saturating_mul(1_000_000_000),
        test: alarm.test.clone(),
        offset: alarm.offset,
        count: alarm.count,
        permanent: alarm.permanent,
        retested: alarm.retested,
    }
}

fn promise(output: Output) -> wire::Output {
    match output {
        Output::Stretched => wire::Output::Stretched,
        Output::FullEntropy => wire::Output::FullEntropy,
        Output::Raw => wire::Output::Raw,
    }
}

fn source(pool: &str, source: &SourceStatus, found: &SourcesSnapshot) -> wire::Source {
    let state = match source.state {
        HealthState::Starting => wire::SourceState::Starting,
        HealthState::Healthy => wire::SourceState::Healthy,
        HealthState::Suspect => wire::SourceState::Suspect,
        HealthState::Failed => wire::SourceState::Failed,
        HealthState::Unavailable => wire::SourceState::Unavailable,
    };
    wire::Source {
        pool: pool.to_owned(),
        name: source.name.clone(),
        kind: kind(source),
        tier: source.tier,
        active: source.active,
        state: state.into(),
        duration: Some(found.now.0.saturating_sub(source.since)),
        reason: source.reason.map(str::to_owned),
        message: present(&source.message),
        stats: (source.kind != SourceKind::Kernel).then(|| stats(source)),
        raw_min_entropy_thousandths: None,
        retesting: source.retesting,
        alarms: source.alarms.iter().map(|alarm| self::alarm(alarm, found.wall)).collect(),
    }
}

/// `device /dev/hwrng (virtio_rng.0, nested)`.
fn kind(source: &SourceStatus) -> String {
    match &source.details {
        Some(details) => format!("{} ({details})", source.kind),
        None => source.kind.to_string(),
    }
}

fn stats(source: &SourceStatus) -> wire::SourceStats {
    let stats = &source.stats;
    wire::SourceStats {
        bytes_in: stats.bytes_in,
        bytes_credited: stats.bytes_credited,
        failures: Some(wire::SourceFailures {
            repetition_count: stats.repetition_count,
            adaptive_proportion: stats.adaptive_proportion,
            block_tests: stats.block_tests.iter().sum(),
            lost: stats.lost,
            structure: stats.structure,
        }),
    }
}

fn present(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A source of a pool that draws from the kernel alone, for which there is no thread and so no status.
fn kernel(pool: &str, source: &SourceConfig, is_seeded: bool) -> wire::Source {
    let (reason, message) = Kernel::NOT_SEEDED;
    let why = |text: &str| (!is_seeded).then(|| text.to_owned());
    let state = if is_seeded { wire::SourceState::Healthy } else { wire::SourceState::Unavailable };
    wire::Source {
        pool: pool.to_owned(),
        name: source.name.clone(),
        kind: SourceKind::Kernel.to_string(),
        tier: source.tier,
        active: is_seeded,
        state: state.into(),
        reason: why(reason),
        message: why(message),
        ..wire::Source::default()
    }
}
