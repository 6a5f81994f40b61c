//! Tested samples without conditioning.

use zeroize::Zeroize;

use crate::health::MinEntropy;

/// The least min-entropy of a byte that is served without conditioning.
const LEAST: MinEntropy = MinEntropy::from_tenths(79).expect("within 1 to 80");

/// A source has too little min-entropy to be served without conditioning.
#[derive(Debug, thiserror::Error)]
#[error("{}.{} bits a byte are too few for output Raw: it needs 7.9 or more", tenths / 10, tenths % 10)]
pub struct RawRefused {
    tenths: u8,
}

impl RawRefused {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        "RawRefused"
    }
}

/// Passes on samples that the health tests passed.
#[derive(Clone, Copy)]
pub struct Raw(());

impl Raw {
    /// For a source of `h` a byte.
    pub fn new(h: MinEntropy) -> Result<Self, RawRefused> {
        if h < LEAST { Err(RawRefused { tenths: h.tenths() }) } else { Ok(Self(())) }
    }

    /// Moves samples to the front of `out` and leaves zeros; returns how many.
    pub fn fill(self, samples: &mut [u8], out: &mut [u8]) -> usize {
        let count = samples.len().min(out.len());
        out[..count].copy_from_slice(&samples[..count]);
        samples[..count].zeroize();
        count
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_source_with_less_is_refused() {
        let refused = Raw::new(MinEntropy::from_tenths(78).unwrap()).err().unwrap();
        assert_eq!(refused.to_string(), "7.8 bits a byte are too few for output Raw: it needs 7.9 or more");
        assert!(Raw::new(LEAST).is_ok());
    }

    #[test]
    fn samples_are_moved_not_copied() {
        let (mut samples, mut out) = ([1, 2, 3], [0; 2]);
        assert_eq!(Raw::new(LEAST).unwrap().fill(&mut samples, &mut out), 2);
        assert_eq!((samples, out), ([0, 0, 3], [1, 2]));
    }
}
