//! Translates the sources of a pool's configuration into those of the `source` crate.

use std::collections::BTreeSet;

use dataplane::SupplySpec;
use delivery::{HealthTest, OnSourceFailure, PoolConfig, SourceConfig, SourceKind as Kind};
use source::health::MinEntropy;
use source::{OnFailure, PoolSpec, SourceKind, SourceSpec};

use super::error::{ApplyConfigError, SourceSpecError};

/// The supply of a pool: the kernel directly, or sources with health tests.
pub(crate) fn supply(pool: &PoolConfig) -> Result<SupplySpec, ApplyConfigError> {
    let spec = pool_spec(pool)?;
    if spec.is_kernel_only() {
        return Ok(SupplySpec::Kernel);
    }
    let allowing = pool.classes.iter().filter(|class| class.allow_degraded);
    let allow_degraded: BTreeSet<String> = allowing.map(|class| class.name.clone()).collect();
    Ok(SupplySpec::Sources { spec: Box::new(spec), allow_degraded })
}

fn pool_spec(pool: &PoolConfig) -> Result<PoolSpec, ApplyConfigError> {
    let source = |config: &SourceConfig| {
        source_spec(config).map_err(|source| ApplyConfigError::Source {
            pool: pool.name.clone(),
            name: config.name.clone(),
            source,
        })
    };
    Ok(PoolSpec {
        name: pool.name.clone(),
        sources: pool.sources.iter().map(source).collect::<Result<_, _>>()?,
        output: output(pool.output),
        min_healthy: usize::try_from(pool.min_healthy_sources).unwrap_or(usize::MAX),
        on_failure: match pool.on_source_failure {
            OnSourceFailure::Hold => OnFailure::Hold,
            OnSourceFailure::Degrade => OnFailure::Degrade,
        },
    })
}

/// Of a pool whose output is `Raw`, the least assessed min-entropy of its bytes, in thousandths of a bit.
pub(crate) fn raw_min_entropy(pool: &PoolConfig) -> Option<u16> {
    let noise = pool.sources.iter().filter(|source| source.kind != Kind::Kernel);
    noise
        .filter_map(|source| source.min_entropy_thousandths)
        .min()
        .filter(|_| pool.output == delivery::Output::Raw)
}

pub(crate) fn output(output: delivery::Output) -> source::Output {
    match output {
        delivery::Output::Stretched => source::Output::Stretched,
        delivery::Output::FullEntropy => source::Output::FullEntropy,
        delivery::Output::Raw => source::Output::Raw,
    }
}

fn source_spec(source: &SourceConfig) -> Result<SourceSpec, SourceSpecError> {
    let min_entropy =
        |given: u16| MinEntropy::from_thousandths(given).ok_or(SourceSpecError::MinEntropy { given });
    Ok(SourceSpec {
        name: source.name.clone(),
        kind: kind(&source.kind)?,
        tier: source.tier,
        min_entropy: source.min_entropy_thousandths.map(min_entropy).transpose()?,
        credit_nested: source.credit_nested,
        block_tests: source.health_tests.contains(&HealthTest::Fips1402),
    })
}

pub(crate) fn kind(kind: &Kind) -> Result<SourceKind, SourceSpecError> {
    Ok(match kind {
        Kind::Kernel => SourceKind::Kernel,
        Kind::Cpu { instruction } if instruction == "RDSEED" => SourceKind::Rdseed,
        Kind::Cpu { instruction } => {
            return Err(SourceSpecError::Instruction { instruction: instruction.clone() });
        }
        Kind::Device { path } => SourceKind::Device(path.into()),
        Kind::EgdUnix { path } => SourceKind::EgdUnix(path.into()),
        Kind::EgdTcp { address } => SourceKind::EgdTcp(address.clone()),
        Kind::File { path } => SourceKind::File(path.into()),
    })
}
