//! Versions and hashes.

use delivery::{Hash, Version, WatchedKind};
use proto::delivery as wire;

use crate::error::DecodeError;

pub(crate) fn to_wire(version: &Version) -> wire::Version {
    // A kind of a newer peer is passed on as its number.
    let seen = |(kind, resource_version): (WatchedKind, u64)| wire::Seen {
        kind: kind.0.cast_signed(),
        resource_version,
    };
    wire::Version { seen: version.seen().map(seen).collect() }
}

pub(crate) fn of_wire(version: Option<wire::Version>) -> Version {
    let seen = version.unwrap_or_default().seen;
    seen.into_iter().map(|seen| (WatchedKind(seen.kind.cast_unsigned()), seen.resource_version)).collect()
}

pub(crate) fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash, DecodeError> {
    let right = "a hash is 16 bytes";
    let sized = |_| DecodeError::value(field, &format!("{} bytes long", bytes.len()), right);
    Ok(Hash(bytes.try_into().map_err(sized)?))
}
