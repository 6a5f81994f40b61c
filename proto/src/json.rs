//! How the messages of `local.proto` spell enums, rates and times in JSON; `build.rs` names these functions.
#![allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]

use std::time::Duration;

use api::Rate;
use serde::{Serialize, Serializer};

/// The name of an enum's value; one that this program does not know is `unspecified`.
pub(crate) fn name<E, S>(number: &i32, serializer: S) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + Default + Serialize,
    S: Serializer,
{
    E::try_from(*number).unwrap_or_default().serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn optional_name<E, S>(number: &Option<i32>, serializer: S) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + Default + Serialize,
    S: Serializer,
{
    match number {
        Some(number) => name::<E, S>(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// A number of bytes per day as a manifest spells it; `null` is nothing.
pub(crate) fn rate<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        0 => serializer.serialize_none(),
        bytes => serializer.collect_str(&Rate::from_bytes_per_day(*bytes)),
    }
}

/// Nanoseconds as seconds, to the microsecond.
pub(crate) fn seconds<S: Serializer>(nanoseconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(Duration::from_micros(nanoseconds / 1_000).as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn optional_seconds<S: Serializer>(
    nanoseconds: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match nanoseconds {
        Some(nanoseconds) => seconds(nanoseconds, serializer),
        None => serializer.serialize_none(),
    }
}
