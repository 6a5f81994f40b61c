//! Sources.

use std::collections::BTreeSet;

use delivery::{BytesPerDay, HealthTest, SourceConfig, SourceKind};
use proto::delivery as pb;
use proto::delivery::source::Kind;

use crate::error::{DecodeError, needed};

pub(crate) fn to_proto(source: SourceConfig) -> pb::Source {
    let kind = match source.kind {
        SourceKind::Kernel => Kind::Kernel(pb::Kernel {}),
        SourceKind::Cpu { instruction } => Kind::CpuInstruction(instruction),
        SourceKind::Device { path } => Kind::DevicePath(path),
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
        min_entropy_tenths: source.min_entropy_thousandths.and_then(tenths),
        min_entropy_thousandths: source.min_entropy_thousandths.map(u32::from),
        health_tests: source.health_tests.into_iter().map(test).collect(),
        credit_nested: source.credit_nested,
    }
}

pub(crate) fn from_proto(source: pb::Source) -> Result<SourceConfig, DecodeError> {
    let kind = match needed("the kind of a source", source.kind)? {
        Kind::Kernel(pb::Kernel {}) => SourceKind::Kernel,
        Kind::CpuInstruction(instruction) => SourceKind::Cpu { instruction },
        Kind::DevicePath(path) => SourceKind::Device { path },
        Kind::EgdUnix(path) => SourceKind::EgdUnix { path },
        Kind::EgdTcp(address) => SourceKind::EgdTcp { address },
        Kind::FilePath(path) => SourceKind::File { path },
    };
    Ok(SourceConfig {
        kind,
        name: source.name,
        tier: source.tier,
        capacity: source.capacity.map(BytesPerDay),
        min_entropy_thousandths: min_entropy(source.min_entropy_tenths, source.min_entropy_thousandths)?,
        credit_nested: source.credit_nested,
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

/// For an agent that does not know thousandths: rounded down, so that it credits no more, and absent where nothing is left.
fn tenths(thousandths: u16) -> Option<u32> {
    Some(u32::from(thousandths) / 100).filter(|tenths| *tenths > 0)
}

/// A sender that does not know thousandths sets only the tenths.
fn min_entropy(tenths: Option<u32>, thousandths: Option<u32>) -> Result<Option<u16>, DecodeError> {
    let Some(value) = thousandths else {
        return tenths
            .map(|tenths| in_range("min_entropy_tenths", tenths, 80).map(|it| it * 100))
            .transpose();
    };
    in_range("min_entropy_thousandths", value, 8000).map(Some)
}

fn in_range(field: &'static str, value: u32, most: u16) -> Result<u16, DecodeError> {
    let known = u16::try_from(value).ok().filter(|value| (1..=most).contains(value));
    known.ok_or_else(|| {
        DecodeError::value(field, &value, "it must be 1 to 80 tenths, or 1 to 8000 thousandths")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(thousandths: Option<u16>) -> SourceConfig {
        SourceConfig {
            name: "trng".to_owned(),
            kind: SourceKind::Kernel,
            tier: 0,
            capacity: None,
            min_entropy_thousandths: thousandths,
            credit_nested: false,
            health_tests: BTreeSet::new(),
        }
    }

    #[test]
    fn an_agent_that_knows_only_tenths_credits_no_more_than_was_assessed() {
        for (thousandths, tenths) in
            [(8000, Some(80)), (7999, Some(79)), (100, Some(1)), (99, None), (1, None)]
        {
            let encoded = to_proto(source(Some(thousandths)));
            assert_eq!(encoded.min_entropy_tenths, tenths, "{thousandths}");
            assert_eq!(from_proto(encoded).unwrap(), source(Some(thousandths)));
        }
        assert_eq!(to_proto(source(None)).min_entropy_tenths, None);
    }

    #[test]
    fn the_tenths_of_a_controller_that_knows_no_thousandths_count() {
        let encoded = pb::Source { min_entropy_thousandths: None, ..to_proto(source(Some(7999))) };
        assert_eq!(from_proto(encoded).unwrap(), source(Some(7900)));
    }

    #[test]
    fn a_min_entropy_out_of_range_is_refused() {
        for (tenths, thousandths) in [(None, Some(0)), (None, Some(8001)), (Some(0), None), (Some(81), None)]
        {
            let encoded = to_proto(source(None));
            let encoded =
                pb::Source { min_entropy_tenths: tenths, min_entropy_thousandths: thousandths, ..encoded };
            assert!(from_proto(encoded).unwrap_err().to_string().contains("it must be 1 to 80 tenths"));
        }
    }
}
