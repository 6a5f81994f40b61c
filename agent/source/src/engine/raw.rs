//! Tested samples as they come.

use super::inputs::Inputs;

/// Fills the front of `space` from one source after the other; what it takes is wiped where it was.
pub(super) fn fill(space: &mut [u8], from: &Inputs<'_>) -> usize {
    let mut filled = 0;
    for (tap, _) in &from.credited {
        let rest = &mut space[filled..];
        filled += tap.take(|samples| {
            let count = samples.len().min(rest.len());
            rest[..count].copy_from_slice(&samples[..count]);
            count
        });
    }
    filled
}
