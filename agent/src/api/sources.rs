//! How pools and their sources stand, as messages.

use dataplane::SourcesSnapshot;
use delivery::{NodeConfig, PoolConfig, SourceConfig};
use proto::local as wire;
use source::health::HealthState;
use source::{Output, PoolStatus, Serving, SourceKind, SourceStatus};

use crate::config::sources;

/// By pool, then as the pool names them.
pub(crate) fn list(config: &NodeConfig, found: &SourcesSnapshot) -> Vec<wire::Source> {
    let of_pool = |pool: &PoolConfig| match status(&pool.name, found) {
        Some(status) => {
            status.sources.iter().map(|source| self::source(&pool.name, source, found.now.0)).collect()
        }
        None => pool.sources.iter().map(|source| kernel(&pool.name, source)).collect::<Vec<_>>(),
    };
    config.pools.iter().flat_map(of_pool).collect()
}

/// What a pool promises and serves, and how many of how many sources are healthy.
pub(crate) fn stand(
    name: &str,
    config: &NodeConfig,
    found: &SourcesSnapshot,
) -> (wire::PoolOutput, usize, usize) {
    if let Some(status) = status(name, found) {
        let healthy = status.sources.iter().filter(|source| source.state == HealthState::Healthy).count();
        return (output(status, found.now.0), healthy, status.sources.len());
    }
    let pool = config.pools.iter().find(|pool| pool.name == name);
    let count = pool.map_or(0, |pool| pool.sources.len());
    let promised = pool.map_or(Output::Stretched, |pool| sources::output(pool.output));
    let output = wire::PoolOutput {
        promised: promise(promised).into(),
        served: wire::Serving::Promised.into(),
        ..wire::PoolOutput::default()
    };
    (output, count, count)
}

fn status<'a>(pool: &str, found: &'a SourcesSnapshot) -> Option<&'a PoolStatus> {
    found.pools.iter().find(|status| status.name == pool)
}

fn output(status: &PoolStatus, now: u64) -> wire::PoolOutput {
    let served = match status.serving {
        Serving::Starting => wire::Serving::Starting,
        Serving::Promised => wire::Serving::Promised,
        Serving::Degraded => wire::Serving::Degraded,
        Serving::Held => wire::Serving::Held,
    };
    wire::PoolOutput {
        promised: promise(status.promised).into(),
        served: served.into(),
        lasted: Some(now.saturating_sub(status.since)),
        message: status.message.clone(),
    }
}

fn promise(output: Output) -> wire::Output {
    match output {
        Output::Stretched => wire::Output::Stretched,
        Output::FullEntropy => wire::Output::FullEntropy,
        Output::Raw => wire::Output::Raw,
    }
}

fn source(pool: &str, source: &SourceStatus, now: u64) -> wire::Source {
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
        kind: source.kind.to_string(),
        tier: source.tier,
        active: source.active,
        state: state.into(),
        lasted: Some(now.saturating_sub(source.since)),
        reason: source.reason.unwrap_or_default().to_owned(),
        message: source.message.clone(),
        stats: (source.kind != SourceKind::Kernel).then(|| stats(source)),
    }
}

fn stats(source: &SourceStatus) -> wire::SourceStats {
    let stats = &source.stats;
    wire::SourceStats {
        bytes_in: stats.bytes_in,
        bytes_credited: stats.bytes_credited,
        repetition_count: stats.repetition_count,
        adaptive_proportion: stats.adaptive_proportion,
        block_tests: stats.block_tests.iter().sum(),
        lost: stats.lost,
    }
}

/// A source of a pool that draws from the kernel alone, which the server needs no thread and no status for.
fn kernel(pool: &str, source: &SourceConfig) -> wire::Source {
    wire::Source {
        pool: pool.to_owned(),
        name: source.name.clone(),
        kind: SourceKind::Kernel.to_string(),
        tier: source.tier,
        active: true,
        state: wire::SourceState::Healthy.into(),
        ..wire::Source::default()
    }
}
