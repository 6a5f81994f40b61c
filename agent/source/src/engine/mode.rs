//! How a pool makes the bytes that it promises, with all that was collected for them.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::full_entropy::FullEntropyOutput;
use super::inputs::Inputs;
use super::stretched::StretchedOutput;
use crate::condition::personalization;
use crate::spec::{Output, PoolSpec};

/// How the promised bytes are made.
pub(super) enum OutputMode {
    Stretched(StretchedOutput),
    /// `None` until the kernel has given the first seed.
    FullEntropy(Option<FullEntropyOutput>),
    Raw,
}

impl OutputMode {
    pub(super) fn new(spec: &PoolSpec) -> Self {
        match spec.output {
            Output::Stretched => Self::Stretched(StretchedOutput::new(stream_personalization(spec))),
            Output::FullEntropy => Self::FullEntropy(None),
            Output::Raw => Self::Raw,
        }
    }

    /// Fills the front of `space`, as far as the samples go.
    pub(super) fn fill(
        &mut self,
        space: &mut [u8],
        inputs: &Inputs<'_>,
        spec: &PoolSpec,
        now: u64,
    ) -> io::Result<usize> {
        match self {
            Self::Stretched(output) => output.fill(space, inputs, now),
            Self::FullEntropy(Some(output)) => output.fill(space, inputs, now),
            Self::FullEntropy(none) => {
                let output = FullEntropyOutput::new(&stream_personalization(spec), inputs, now)?;
                none.insert(output).fill(space, inputs, now)
            }
            Self::Raw => Ok(inputs.copy_samples(space)),
        }
    }

    /// The next block has shares of subscribers that are gone; `new` is the id of each one's successor.
    pub(super) fn rename_sources(&mut self, new: &HashMap<u64, u64>) {
        if let Self::FullEntropy(Some(output)) = self {
            output.rename_sources(new);
        }
    }

    /// Discards the samples of which no bytes were made yet.
    pub(super) fn discard_samples(&mut self) {
        match self {
            Self::Stretched(output) => output.discard_samples(),
            Self::FullEntropy(Some(output)) => output.discard_samples(),
            Self::FullEntropy(None) | Self::Raw => {}
        }
    }

    /// Whether samples would be useful although the queue has no room for bytes.
    pub(super) fn wants_samples(&self) -> bool {
        matches!(self, Self::Stretched(output) if output.wants_samples())
    }
}

/// Differs for any two streams of this process; the nonce in their seeds tells apart those of two processes.
pub(super) fn stream_personalization(spec: &PoolSpec) -> Vec<u8> {
    static STREAMS: AtomicU64 = AtomicU64::new(0);
    personalization(&[b"entropool", spec.name.as_bytes()], STREAMS.fetch_add(1, Ordering::Relaxed))
}
