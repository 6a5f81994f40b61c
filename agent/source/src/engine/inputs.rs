//! What the sources that are active from have to give.

use crate::condition::{Conditioner, OUTPUT};
use crate::health::MinEntropy;
use crate::sampler::Subscriber;

use super::kernel_seed::KernelBytes;

/// The most bytes without credit that go into one block from one source.
const PINCH: usize = 64;

/// The sources that are active from.
pub(super) struct Inputs<'a> {
    /// Those that earn credit, with what a byte of each is worth.
    pub(super) credited: Vec<(&'a Subscriber, MinEntropy)>,
    /// Noise that earns none.
    pub(super) uncredited: Vec<&'a Subscriber>,
    /// Whether the kernel's generator is one of them.
    pub(super) has_kernel: bool,
    /// The kernel's generator; for seeds it is there in any case.
    pub(super) kernel: KernelBytes,
}

impl Inputs<'_> {
    /// Brings the conditioner as near to a block as the samples go; whether it is ready. `first` is the source to
    /// begin with: in turns, so that none is used only when another runs dry.
    pub(super) fn feed(&self, conditioner: &mut Conditioner, first: usize) -> bool {
        let count = self.credited.len();
        for at in 0..count {
            let (tap, worth) = self.credited[(first + at) % count];
            if conditioner.ready() {
                break;
            }
            tap.take(|samples| conditioner.absorb(samples, worth));
        }
        conditioner.ready()
    }

    /// Mixes in what earns no credit.
    pub(super) fn season(&self, conditioner: &mut Conditioner) {
        for tap in &self.uncredited {
            tap.take(|samples| {
                let pinch = &samples[..samples.len().min(PINCH)];
                conditioner.mix(pinch);
                pinch.len()
            });
        }
        if self.has_kernel {
            let mut bytes = zeroize::Zeroizing::new([0; OUTPUT]);
            // It adds nothing that is counted on.
            if (self.kernel)(&mut bytes[..]).is_ok() {
                conditioner.mix(&bytes[..]);
            }
        }
    }
}
