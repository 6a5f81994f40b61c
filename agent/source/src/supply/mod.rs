//! The bytes of one pool, ready to be served.

mod engine_reader;

use std::cell::{Cell, RefCell};
use std::io;

use crate::block_queue::{Consumer, Quality};
use crate::buffer::Buffer;
use crate::kernel::Kernel;
use crate::memory::{MapError, all_locked};

use self::engine_reader::EngineReader;

/// A reply of up to this many bytes gets them in one piece, so that it can go out in one write. It is four
/// of EGD's largest requests.
pub const CONTIGUOUS: usize = 1024;

/// The bytes of one pool: a buffer and what refills it. It has one owner, the event loop.
#[derive(Debug)]
pub struct Supply {
    refill: Refill,
    /// Bytes granted and not drawn yet.
    reserved: u64,
    /// Whether the bytes of the supply that it replaces keep its promise.
    continues: bool,
}

/// How the buffer is refilled.
#[derive(Debug)]
enum Refill {
    /// In place: cheaper than waking another thread (docs/adr/0003). Once `seeded`, the kernel stays so.
    Kernel { kernel: Kernel, seeded: Cell<bool>, buffer: Buffer },
    /// By the thread that makes the pool's bytes.
    Engine(RefCell<EngineReader>),
}

/// Why nothing was drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The pool is empty. The peer is not at fault: try again when the waker is called.
    #[error("the pool has no bytes at the moment")]
    Empty,
    /// The write of the bytes failed; `WouldBlock` means that the peer must read first.
    #[error(transparent)]
    Take(io::Error),
}

impl Supply {
    /// A supply of the kernel's bytes. The buffer is filled at the first draw, not before.
    pub fn kernel() -> Result<Self, MapError> {
        let refill = Refill::Kernel { kernel: Kernel, seeded: Cell::new(false), buffer: Buffer::new()? };
        Ok(Self { refill, reserved: 0, continues: false })
    }

    /// A supply of the bytes that an engine makes.
    pub(crate) fn of(queue: Consumer) -> Result<Self, MapError> {
        let refill = Refill::Engine(RefCell::new(EngineReader::new(queue)?));
        Ok(Self { refill, reserved: 0, continues: false })
    }

    pub(crate) fn continuing(self, continues: bool) -> Self {
        Self { continues, ..self }
    }

    /// Moves the bytes that wait in the supply which this one replaces here, if they keep this one's promise.
    pub fn take_over(&mut self, replaced: &mut Self) {
        if let (true, Refill::Engine(reader), Refill::Engine(replaced)) =
            (self.continues, &mut self.refill, &mut replaced.refill)
        {
            reader.get_mut().take_over(replaced.get_mut());
        }
    }

    /// Whether all memory that this process has mapped for random bytes and secrets, for this supply or another, is locked.
    pub fn locked(&self) -> bool {
        all_locked()
    }

    /// How many bytes can be granted now without waiting, besides those already [reserved](Self::reserve). The
    /// kernel's supply is unlimited (`u64::MAX`) once it is seeded, and empty before. When the level is below EGD's
    /// largest request, the waker is called as more bytes arrive.
    pub fn level(&self) -> u64 {
        match &self.refill {
            Refill::Kernel { kernel, seeded, .. } => {
                if !seeded.get() {
                    seeded.set(kernel.ready());
                }
                if seeded.get() { u64::MAX } else { 0 }
            }
            Refill::Engine(reader) => reader.borrow_mut().level(self.reserved),
        }
    }

    /// Whether the next bytes are less than the pool promises: for classes with `allowDegraded`.
    pub fn is_degraded(&self) -> bool {
        match &self.refill {
            Refill::Kernel { .. } => false,
            Refill::Engine(reader) => reader.borrow_mut().is_degraded(),
        }
    }

    /// Reserves granted bytes that will be drawn later; until then [`level`](Self::level) leaves them out. Not needed
    /// for a supply that never runs dry.
    pub fn reserve(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_add(bytes);
    }

    /// Releases reserved bytes that will never be drawn: their connection is closed. [`with_bytes`](Self::with_bytes)
    /// releases what it draws.
    pub fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// How many bytes are made and wait, reserved or not.
    pub fn waiting(&self) -> u64 {
        match &self.refill {
            Refill::Kernel { buffer, .. } => buffer.level() as u64,
            Refill::Engine(reader) => reader.borrow_mut().waiting(),
        }
    }

    /// How many granted bytes are not drawn yet.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Wipes all bytes that wait: this host was cloned since they were made.
    pub fn clear(&mut self) {
        match &mut self.refill {
            Refill::Kernel { buffer, .. } => buffer.consume(buffer.level()),
            Refill::Engine(reader) => reader.get_mut().clear(),
        }
    }

    /// Calls `take` with at most `max` bytes: exactly `max` up to [`CONTIGUOUS`] and [`level`](Self::level) plus what
    /// is reserved, beyond that as many as there are. `take` returns how many of them left the process; those are
    /// wiped. The others, and after an error all of them, did not leave it and are offered again. `take` is not called when
    /// there are no bytes.
    pub fn with_bytes(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        self.take_if(max, |_| true, take)
    }

    /// Like [`with_bytes`](Self::with_bytes), but treats degraded bytes as none.
    pub fn with_promised_bytes(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        self.take_if(max, |quality| quality == Quality::Promised, take)
    }

    fn take_if(
        &mut self,
        max: usize,
        accepts: impl FnOnce(Quality) -> bool,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        let wanted = max.min(CONTIGUOUS);
        let buffer = match &mut self.refill {
            Refill::Kernel { kernel, buffer, .. } => {
                if buffer.level() < wanted {
                    // Fails before the kernel is seeded; then only the buffered bytes are available.
                    let _ = kernel.fill(buffer);
                }
                buffer
            }
            Refill::Engine(reader) => {
                let (buffer, quality) = reader.get_mut().fill_to(wanted);
                if max > 0 && !accepts(quality) {
                    return Err(DrawError::Empty);
                }
                buffer
            }
        };
        let chunk = buffer.chunk();
        let offered = &chunk[..max.min(chunk.len())];
        if offered.is_empty() && max > 0 {
            return Err(DrawError::Empty);
        }
        let taken = take(offered).map_err(DrawError::Take)?.min(offered.len());
        buffer.consume(taken);
        self.release(taken as u64);
        Ok(taken)
    }
}
