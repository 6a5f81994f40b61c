//! What a pool draws from.

mod engine_reader;

use std::cell::{Cell, RefCell};
use std::io;

use crate::block_queue::{Producer, Quality};
use crate::buffer::Buffer;
use crate::kernel::Kernel;
use crate::memory::MapMemory;

use self::engine_reader::EngineReader;

/// A reply of up to this many bytes gets them in one piece, so that it can go out in one write. It is four
/// of EGD's largest requests.
pub const CONTIGUOUS: usize = 1024;

/// The bytes of one pool: a buffer and what refills it. It has one owner, the event loop.
#[derive(Debug)]
pub struct Supply {
    refill: Refill,
    /// Granted and not drawn yet.
    reserved: u64,
}

/// How an empty buffer gets full.
#[derive(Debug)]
enum Refill {
    /// In place: cheaper than waking another thread (docs/adr/0003). `seeded` is asked until it is true.
    Kernel { kernel: Kernel, seeded: Cell<bool>, buffer: Buffer },
    /// By the thread that makes the pool's bytes.
    Engine(RefCell<EngineReader>),
}

/// Why nothing was drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// There are no bytes. No fault of the peer's, who need not read first: try again when the waker was called.
    #[error("the pool has no bytes at the moment")]
    Empty,
    /// What took the bytes failed; `WouldBlock` is a peer that must read first.
    #[error(transparent)]
    Take(io::Error),
}

impl Supply {
    /// A supply of the kernel's bytes. The buffer is filled at the first draw, not before.
    pub fn kernel() -> Result<Self, MapMemory> {
        let refill = Refill::Kernel { kernel: Kernel, seeded: Cell::new(false), buffer: Buffer::new()? };
        Ok(Self { refill, reserved: 0 })
    }

    /// A supply of the bytes that an engine makes.
    pub(crate) fn of(inlet: Producer) -> Result<Self, MapMemory> {
        Ok(Self { refill: Refill::Engine(RefCell::new(EngineReader::new(inlet)?)), reserved: 0 })
    }

    /// Is the buffer's memory locked? See [`Buffer::locked`].
    pub fn locked(&self) -> bool {
        match &self.refill {
            Refill::Kernel { buffer, .. } => buffer.locked(),
            Refill::Engine(drain) => drain.borrow().locked(),
        }
    }

    /// How many bytes can be granted now without waiting, besides those already [reserved](Self::reserve). From the
    /// kernel as many as anybody wants (`u64::MAX`), once it is seeded; before that none. Where it is less than a
    /// request may be, the waker is called when more has come.
    pub fn level(&self) -> u64 {
        match &self.refill {
            Refill::Kernel { kernel, seeded, .. } => {
                if !seeded.get() {
                    seeded.set(kernel.ready());
                }
                if seeded.get() { u64::MAX } else { 0 }
            }
            Refill::Engine(drain) => drain.borrow_mut().level(self.reserved),
        }
    }

    /// Whether the bytes that come next are less than the pool promises: for members that allow it.
    pub fn is_degraded(&self) -> bool {
        match &self.refill {
            Refill::Kernel { .. } => false,
            Refill::Engine(drain) => drain.borrow_mut().is_degraded(),
        }
    }

    /// So many bytes were granted and will be drawn later; until then [`level`](Self::level) leaves them out. A
    /// supply that never runs dry need not be told.
    pub fn reserve(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_add(bytes);
    }

    /// So many reserved bytes will never be drawn: their connection is gone. [`with_bytes`](Self::with_bytes) releases
    /// what it draws.
    pub fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// How many bytes are there, made beforehand, whoever they are reserved for.
    pub fn waiting(&self) -> u64 {
        match &self.refill {
            Refill::Kernel { buffer, .. } => buffer.level() as u64,
            Refill::Engine(drain) => drain.borrow_mut().waiting(),
        }
    }

    /// How many bytes are granted and not drawn.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Wipes what waits: this host is not the one it was drawn on.
    pub fn forget(&mut self) {
        match &mut self.refill {
            Refill::Kernel { buffer, .. } => buffer.consume(buffer.level()),
            Refill::Engine(drain) => drain.get_mut().forget(),
        }
    }

    /// Shows `take` at most `max` bytes: exactly `max` up to [`CONTIGUOUS`] and [`level`](Self::level) with what is
    /// reserved, beyond that what is there. `take` says how many of them have left the process; those are wiped. The
    /// others, and all after an error, were seen by nobody and will be shown again. Where there is not one byte of
    /// those wanted, `take` is not called.
    pub fn with_bytes(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        self.show(max, |_| true, take)
    }

    /// The same, but bytes that are less than the pool promises count as none.
    pub fn with_promised_bytes(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        self.show(max, |grade| grade == Quality::Promised, take)
    }

    fn show(
        &mut self,
        max: usize,
        may_see: impl FnOnce(Quality) -> bool,
        take: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Result<usize, DrawError> {
        let wanted = max.min(CONTIGUOUS);
        let buffer = match &mut self.refill {
            Refill::Kernel { kernel, buffer, .. } => {
                if buffer.level() < wanted {
                    // It fails before the kernel is seeded: then there is what there is.
                    let _ = kernel.fill(buffer);
                }
                buffer
            }
            Refill::Engine(drain) => {
                let (buffer, grade) = drain.get_mut().gather(wanted);
                if max > 0 && !may_see(grade) {
                    return Err(DrawError::Empty);
                }
                buffer
            }
        };
        let chunk = buffer.chunk();
        let shown = &chunk[..max.min(chunk.len())];
        if shown.is_empty() && max > 0 {
            return Err(DrawError::Empty);
        }
        let taken = take(shown).map_err(DrawError::Take)?.min(shown.len());
        buffer.consume(taken);
        self.release(taken as u64);
        Ok(taken)
    }
}
