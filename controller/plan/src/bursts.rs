//! Buckets that are too small for their rate. They refuse nothing: what is written is what is meant, and is served.

use api::{EntropyClassSpec, EntropyPoolSpec, Reason, Size};
use delivery::{ClassConfig, Shape};

use crate::budget::rounded;
use crate::rejection::{ObjectKind, Rejection};

/// An agent wakes up for a grant at most a millisecond late, on a machine with time to spare; tokens for which a full bucket
/// has no room meanwhile are lost.
const MILLISECONDS_PER_DAY: u64 = 86_400_000;

pub(crate) fn of_pool(name: &str, spec: &EntropyPoolSpec, shape: &Shape) -> Vec<Rejection> {
    let found = too_small("spec.", [&spec.burst, &spec.cburst], shape);
    found.map(|found| found.warning(ObjectKind::Pool, name)).collect()
}

pub(crate) fn of_class(name: &str, spec: &EntropyClassSpec, config: &ClassConfig) -> Vec<Rejection> {
    let own = too_small("spec.", [&spec.burst, &spec.cburst], &config.shape);
    let members = too_small("spec.perVM.", [&spec.per_vm.burst, &spec.per_vm.cburst], &config.per_vm);
    own.chain(members).map(|found| found.warning(ObjectKind::Class, name)).collect()
}

/// A bucket that a rate overflows.
struct SmallBucket<'a> {
    field: String,
    size: &'a Size,
    rate_field: &'static str,
    /// In bytes a day.
    rate: u64,
}

/// `sizes` are the written ones of burst and cburst; a computed one is large enough.
fn too_small<'a>(
    of: &'static str,
    [burst, cburst]: [&'a Option<Size>; 2],
    shape: &Shape,
) -> impl Iterator<Item = SmallBucket<'a>> + use<'a> {
    let buckets = [("burst", burst, "rate", shape.rate.0), ("cburst", cburst, "ceil", shape.ceil.0)];
    buckets.into_iter().filter_map(move |(name, size, rate_field, rate)| {
        let size = size.as_ref().filter(|size| size.bytes() < needed(rate))?;
        Some(SmallBucket { field: format!("{of}{name}"), size, rate_field, rate })
    })
}

/// What the rate brings in a millisecond, rounded up.
fn needed(rate: u64) -> u64 {
    rate.div_ceil(MILLISECONDS_PER_DAY)
}

impl SmallBucket<'_> {
    fn warning(self, kind: ObjectKind, name: &str) -> Rejection {
        let Self { field, size, rate_field, rate } = self;
        let needed = needed(rate);
        let message = format!(
            "{size} is less than the {needed} bytes that a {rate_field} of {rate} brings in 1 ms, so the {rate_field} may \
             not be reached: write at least {least}, or omit it",
            rate = rounded(rate),
            least = Size::from_bytes(needed),
        );
        Rejection { kind, name: name.to_owned(), field, reason: Reason::BurstTooSmall, message }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use api::Rate;
    use delivery::BytesPerDay;

    use super::*;

    fn shape(rate: &str, ceil: &str) -> Shape {
        let per_day = |text: &str| BytesPerDay(text.parse::<Rate>().unwrap().bytes_per_day());
        Shape { rate: per_day(rate), ceil: per_day(ceil), burst: 0, cburst: 0 }
    }

    #[test]
    fn a_bucket_must_hold_what_its_rate_brings_in_a_millisecond() {
        let size = |text: &str| Some(text.parse::<Size>().unwrap());
        let fields = |burst: &Option<Size>, cburst: &Option<Size>, shape: &Shape| {
            too_small("spec.", [burst, cburst], shape).map(|found| found.field).collect::<Vec<_>>()
        };
        let two = shape("2M/s", "4M/s");
        assert_eq!(fields(&size("2k"), &size("4k"), &two), Vec::<String>::new());
        assert_eq!(fields(&size("1999"), &size("4k"), &two), ["spec.burst"]);
        assert_eq!(fields(&None, &size("3999"), &two), ["spec.cburst"]);
        assert_eq!(fields(&size("1"), &size("1"), &shape("64/min", "1k/s")), Vec::<String>::new());
    }
}
