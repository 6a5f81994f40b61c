//! Sources.

use std::collections::BTreeSet;

use delivery::{BytesPerDay, HealthTest, SourceConfig, SourceKind};
use proto::delivery as pb;
use proto::delivery::source::Kind;

use crate::error::{DecodeError, needed};

pub(crate) fn to_proto(source: SourceConfig) -> pb::Source {
    let credit_nested = matches!(source.kind, SourceKind::Device { credit_nested: true, .. });
    let kind = match source.kind {
        SourceKind::Kernel => Kind::Kernel(pb::Kernel {}),
        SourceKind::Cpu { instruction } => Kind::CpuInstruction(instruction),
        SourceKind::Device { path, .. } => Kind::DevicePath(path),
        SourceKind::EgdUnix { path } => Kind::EgdUnix(path),
        SourceKind::EgdTcp { address } => Kind::EgdTcp(address),
        SourceKind::File { path } => Kind::FilePath(path),
    };
    let test = |test| match test {
        HealthTest::Sp80090b => pb::HealthTest::Sp80090b.into(),
        HealthTest::Fips1402 => pb::HealthTest::Fips1402.into(),
    };
    pb::Source {
        name: source.name,
        kind: Some(kind),
        tier: source.tier,
        capacity: source.capacity.map(|capacity| capacity.0),
        min_entropy_tenths: source.min_entropy_tenths.map(u32::from),
        health_tests: source.health_tests.into_iter().map(test).collect(),
        credit_nested,
    }
}

pub(crate) fn from_proto(source: pb::Source) -> Result<SourceConfig, DecodeError> {
    let kind = match needed("the kind of a source", source.kind)? {
        Kind::Kernel(pb::Kernel {}) => SourceKind::Kernel,
        Kind::CpuInstruction(instruction) => SourceKind::Cpu { instruction },
        Kind::DevicePath(path) => SourceKind::Device { path, credit_nested: source.credit_nested },
        Kind::EgdUnix(path) => SourceKind::EgdUnix { path },
        Kind::EgdTcp(address) => SourceKind::EgdTcp { address },
        Kind::FilePath(path) => SourceKind::File { path },
    };
    Ok(SourceConfig {
        kind,
        name: source.name,
        tier: source.tier,
        capacity: source.capacity.map(BytesPerDay),
        min_entropy_tenths: source.min_entropy_tenths.map(tenths).transpose()?,
        health_tests: source.health_tests.into_iter().map(test).collect::<Result<BTreeSet<_>, _>>()?,
    })
}

fn test(test: i32) -> Result<HealthTest, DecodeError> {
    match pb::HealthTest::try_from(test) {
        Ok(pb::HealthTest::Sp80090b) => Ok(HealthTest::Sp80090b),
        Ok(pb::HealthTest::Fips1402) => Ok(HealthTest::Fips1402),
        Ok(pb::HealthTest::Unspecified) | Err(_) => {
            let right = "this version knows SP80090B and FIPS1402 (1, 2)";
            Err(DecodeError::value("health_tests", &test, right))
        }
    }
}

fn tenths(tenths: u32) -> Result<u8, DecodeError> {
    let known = u8::try_from(tenths).ok().filter(|tenths| (1..=80).contains(tenths));
    known.ok_or_else(|| DecodeError::value("min_entropy_tenths", &tenths, "it must be 1 to 80"))
}
