//! The file format: `magic 8 | format u16 | generation u64 | length u32 | payload | SHA-256 of all before`, integers
//! big-endian.
//!
//! This envelope is the same in every version, so that damage is never mistaken for a newer format. `format` is
//! increased only when an older reader would misread a newer payload; it then refuses the file.

use sha2::{Digest, Sha256};

/// The format that is written, and the newest that is read.
pub const FORMAT: u16 = 1;
/// In bytes: enough for a hundred thousand VMs.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// In bytes.
pub const MAX_FILE: usize = HEADER + MAX_PAYLOAD + CHECKSUM;

const MAGIC: &[u8; 8] = b"ENTRPOOL";
const HEADER: usize = 22;
const CHECKSUM: usize = 32;

/// A file whose checksum matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealed<'a> {
    /// One more with every save.
    pub generation: u64,
    pub payload: &'a [u8],
}

/// The payload is too long to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state has {length} bytes, more than the {MAX_PAYLOAD} of a checkpoint")]
pub struct TooLarge {
    pub length: usize,
}

/// Why a file is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    #[error("it is not a checkpoint")]
    NotACheckpoint,
    #[error("it is truncated after {length} bytes, within its header")]
    NoHeader { length: usize },
    #[error("it has {found} bytes instead of the {expected} in its header")]
    Length { expected: u64, found: usize },
    #[error("its checksum does not match its contents")]
    Damaged,
    #[error("a newer version wrote it, in format {format}; this version reads format {FORMAT}")]
    Newer { format: u16 },
}

/// Wraps a payload into the bytes of a file.
pub fn seal(generation: u64, payload: &[u8]) -> Result<Vec<u8>, TooLarge> {
    let length = payload.len();
    let encoded = u32::try_from(length).ok().filter(|_| length <= MAX_PAYLOAD).ok_or(TooLarge { length })?;
    let mut file = Vec::with_capacity(HEADER + length + CHECKSUM);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_be_bytes());
    file.extend_from_slice(&generation.to_be_bytes());
    file.extend_from_slice(&encoded.to_be_bytes());
    file.extend_from_slice(payload);
    let checksum = Sha256::digest(&file);
    file.extend_from_slice(&checksum);
    Ok(file)
}

/// Verifies the bytes of a file, and returns its payload.
pub fn unseal(file: &[u8]) -> Result<Unsealed<'_>, UnsealError> {
    let found = file.len();
    let rest = file.strip_prefix(MAGIC).ok_or(UnsealError::NotACheckpoint)?;
    let (header, rest) = Header::split(rest).ok_or(UnsealError::NoHeader { length: found })?;
    let Some((payload, checksum)) =
        rest.split_at_checked(header.length).filter(|(_, end)| end.len() == CHECKSUM)
    else {
        // A sum of 32 bits and two small constants.
        let expected = HEADER as u64 + header.length as u64 + CHECKSUM as u64;
        return Err(UnsealError::Length { expected, found });
    };
    if Sha256::digest(&file[..found - CHECKSUM])[..] != *checksum {
        return Err(UnsealError::Damaged);
    }
    match header.format {
        FORMAT => Ok(Unsealed { generation: header.generation, payload }),
        format if format > FORMAT => Err(UnsealError::Newer { format }),
        // No version wrote a smaller one.
        _ => Err(UnsealError::Damaged),
    }
}

/// The fields between magic and payload.
struct Header {
    format: u16,
    generation: u64,
    length: usize,
}

impl Header {
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (format, bytes) = bytes.split_first_chunk()?;
        let (generation, bytes) = bytes.split_first_chunk()?;
        let (length, bytes) = bytes.split_first_chunk()?;
        let header = Self {
            format: u16::from_be_bytes(*format),
            generation: u64::from_be_bytes(*generation),
            length: usize::try_from(u32::from_be_bytes(*length)).ok()?,
        };
        Some((header, bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sealed_payload_is_unsealed_with_its_generation() {
        for payload in [&b""[..], b"x", b"{\"vms\":{}}"] {
            let file = seal(u64::MAX, payload).unwrap();
            assert_eq!(unseal(&file), Ok(Unsealed { generation: u64::MAX, payload }));
        }
    }

    #[test]
    fn the_envelope_does_not_change_between_versions() {
        let file = seal(0x0102, b"{}").unwrap();
        let (head, checksum) = file.split_at(24);
        assert_eq!(head, b"ENTRPOOL\0\x01\0\0\0\0\0\0\x01\x02\0\0\0\x02{}");
        assert_eq!(checksum, &Sha256::digest(head)[..]);
    }

    #[test]
    fn a_newer_format_is_not_reported_as_damage() {
        let mut file = seal(7, b"{}").unwrap();
        file[9] = 2;
        assert_eq!(unseal(&file), Err(UnsealError::Damaged));
        let checksum = Sha256::digest(&file[..24]);
        file[24..].copy_from_slice(&checksum);
        assert_eq!(unseal(&file), Err(UnsealError::Newer { format: 2 }));
    }

    #[test]
    fn a_state_that_is_too_large_is_refused_before_it_is_written() {
        let payload = vec![b' '; MAX_PAYLOAD + 1];
        assert_eq!(seal(1, &payload), Err(TooLarge { length: MAX_PAYLOAD + 1 }));
        assert_eq!(seal(1, &payload[1..]).unwrap().len(), MAX_FILE);
    }
}
