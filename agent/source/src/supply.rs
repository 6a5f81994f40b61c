//! What a pool draws from.

use std::cell::Cell;
use std::io;

use crate::buffer::Buffer;
use crate::kernel::Kernel;
use crate::memory::MapMemory;

/// A reply of up to this many bytes gets them in one piece, so that it can go out in one write. It is four
/// of EGD's largest requests.
pub const CONTIGUOUS: usize = 1024;

/// The bytes of one pool: a buffer and what refills it. It has one owner, the event loop.
#[derive(Debug)]
pub struct Supply {
    buffer: Buffer,
    refill: Refill,
}

/// How an empty buffer gets full. Sources with a thread of their own will be a second way.
#[derive(Debug)]
enum Refill {
    /// In place: cheaper than waking another thread (docs/adr/0003). `seeded` is asked until it is true.
    Kernel { kernel: Kernel, seeded: Cell<bool> },
}

impl Supply {
    /// A supply of the kernel's bytes. The buffer is filled at the first draw, not before.
    pub fn kernel() -> Result<Self, MapMemory> {
        let refill = Refill::Kernel { kernel: Kernel, seeded: Cell::new(false) };
        Ok(Self { buffer: Buffer::new()?, refill })
    }

    /// Is the buffer's memory locked? See [`Buffer::locked`].
    pub fn locked(&self) -> bool {
        self.buffer.locked()
    }

    /// How many bytes can be drawn now without waiting. From the kernel as many as anybody wants
    /// (`u64::MAX`), once it is seeded; before that none.
    pub fn level(&self) -> u64 {
        match &self.refill {
            Refill::Kernel { kernel, seeded } => {
                if !seeded.get() {
                    seeded.set(kernel.ready());
                }
                if seeded.get() { u64::MAX } else { 0 }
            }
        }
    }

    /// Shows `take` at most `max` bytes: exactly `max` up to [`CONTIGUOUS`], beyond that what is there.
    /// `take` says how many of them have left the process; those are wiped. The others, and all after an
    /// error, were seen by nobody and will be shown again. While [`level`](Self::level) is above zero, errors are
    /// those of `take`, so `WouldBlock` is then the peer's.
    pub fn with_bytes(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.buffer.level() < max.min(CONTIGUOUS) {
            self.refill()?;
        }
        let chunk = self.buffer.chunk();
        let shown = &chunk[..max.min(chunk.len())];
        let taken = take(shown)?.min(shown.len());
        self.buffer.consume(taken);
        Ok(taken)
    }

    fn refill(&mut self) -> io::Result<usize> {
        match &self.refill {
            Refill::Kernel { kernel, .. } => kernel.fill(&mut self.buffer),
        }
    }
}
