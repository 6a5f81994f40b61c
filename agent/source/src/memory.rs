//! Memory for secrets: private pages that are not swapped, not dumped, not inherited, and wiped when they are freed.
//! The only file of the crate that maps memory.

use std::alloc::{Layout, handle_alloc_error};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, slice};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

/// Whether the kernel refused to protect a mapping of this process.
static UNPROTECTED: AtomicBool = AtomicBool::new(false);

/// Whether all protections of all mappings so far were granted. If not (`RLIMIT_MEMLOCK`), everything works, and the owner
/// of the process reports it once.
pub(crate) fn all_locked() -> bool {
    !UNPROTECTED.load(Ordering::Relaxed)
}

/// The kernel refused to map memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {len} bytes for random data")]
pub struct MapError {
    len: usize,
    source: io::Error,
}

impl MapError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        "MapMemory"
    }
}

/// A private anonymous mapping, zero at first, owned by this value alone.
pub(crate) struct Memory {
    start: NonNull<u8>,
    len: usize,
    locked: bool,
}

#[expect(unsafe_code, reason = "the mapping has one owner, as a Box has, and no tie to a thread")]
// SAFETY: `start` is reached only through `&self` and `&mut self`, so the usual borrow rules keep threads
// apart; mapping, locking and unmapping work from any thread of the process.
unsafe impl Send for Memory {}

impl Memory {
    /// Maps `len` bytes, at least one.
    #[expect(unsafe_code, reason = "mapping memory")]
    pub(crate) fn map(len: usize) -> Result<Self, MapError> {
        let len = len.max(1);
        // SAFETY: a null hint lets the kernel choose a free range, so no existing object is replaced.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }
        .map_err(|errno| MapError { len, source: errno.into() })?;
        let start =
            NonNull::new(start.cast()).expect("the kernel maps nothing at address zero unless asked to");
        let mut memory = Self { start, len, locked: false };
        memory.locked = memory.protect().is_ok();
        if !memory.locked {
            UNPROTECTED.store(true, Ordering::Relaxed);
        }
        Ok(memory)
    }

    /// Another mapping with the same content.
    pub(crate) fn try_clone(&self) -> Result<Self, MapError> {
        let mut clone = Self::map(self.len)?;
        clone.bytes_mut().copy_from_slice(self.bytes());
        Ok(clone)
    }

    /// Core dumps leave it out, a fork finds zeros, it is never swapped. The last needs `RLIMIT_MEMLOCK`; each
    /// is tried even if another fails.
    #[expect(unsafe_code, reason = "advice about the mapping")]
    fn protect(&mut self) -> rustix::io::Result<()> {
        let address = self.start.as_ptr().cast();
        // SAFETY: the range is our own live mapping. The advice concerns core dumps, not its content.
        let dump = unsafe { madvise(address, self.len, Advice::LinuxDontDump) };
        // SAFETY: likewise; the content changes only in the child of a fork, which is another address space.
        let fork = unsafe { madvise(address, self.len, Advice::LinuxWipeOnFork) };
        // SAFETY: the range is our own live mapping; locking it changes neither its content nor its protection.
        let swap = unsafe { mlock(address, self.len) };
        dump.and(fork).and(swap)
    }

    /// Whether all protections were granted.
    pub(crate) fn locked(&self) -> bool {
        self.locked
    }

    fn wipe(&mut self) {
        self.bytes_mut().zeroize();
    }

    #[expect(unsafe_code, reason = "a view of the mapping")]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` bytes, aligned for u8, initialised (anonymous pages are zero),
        // and borrowed no longer than `self`, through which nothing can write during the borrow.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    #[expect(unsafe_code, reason = "a view of the mapping")]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only view.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    #[expect(unsafe_code, reason = "unmapping memory")]
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the range is our own mapping, no view of it outlives `self`, and it is not used again.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "our own mapping can be unmapped");
    }
}

/// A value in a mapping of its own, as a `Box` has one on the heap. The value that is moved in should hold no secret yet:
/// a move leaves the old place as it was. In the child of a fork it is zero and must not be used; this program does not
/// fork without executing another.
pub(crate) struct Locked<T> {
    memory: Memory,
    value: PhantomData<T>,
}

impl<T> Locked<T> {
    /// Ends the process where a `Box` would, if there is no memory.
    #[expect(unsafe_code, reason = "placing the value")]
    pub(crate) fn new(value: T) -> Self {
        let layout = Layout::new::<T>();
        let Ok(mut memory) = Memory::map(layout.size()) else { handle_alloc_error(layout) };
        assert!(memory.bytes().as_ptr().cast::<T>().is_aligned(), "pages are aligned for every value");
        // SAFETY: the mapping is large enough, aligned as asserted, and has no other view.
        unsafe { memory.bytes_mut().as_mut_ptr().cast::<T>().write(value) };
        Self { memory, value: PhantomData }
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    #[expect(unsafe_code, reason = "a view of the value")]
    fn deref(&self) -> &T {
        // SAFETY: `new` wrote a value, which is dropped only with `self`; the usual borrow rules hold for `self`.
        unsafe { &*self.memory.start.as_ptr().cast::<T>() }
    }
}

impl<T> DerefMut for Locked<T> {
    #[expect(unsafe_code, reason = "a view of the value")]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only view.
        unsafe { &mut *self.memory.start.as_ptr().cast::<T>() }
    }
}

impl<T> Drop for Locked<T> {
    #[expect(unsafe_code, reason = "dropping the value")]
    fn drop(&mut self) {
        // SAFETY: the value was written by `new`, and is not used again; the memory wipes itself afterwards.
        unsafe { std::ptr::drop_in_place(self.memory.start.as_ptr().cast::<T>()) }
    }
}

/// Overwrites the stack below the caller, where functions that returned left copies of what they moved. A hash is computed
/// there: only what is kept between calls can be in locked memory.
#[inline(never)]
pub(crate) fn wipe_stack() {
    let mut below = [0_u8; 2048];
    below.zeroize();
    std::hint::black_box(&below);
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Asserts that no core dump and no swap holds what is at this address.
    pub(crate) fn assert_protected<T>(value: *const T) {
        let flags = flags(value as usize);
        assert!(flags.iter().any(|flag| flag == "dd"), "left out of core dumps: {flags:?}");
        assert!(flags.iter().any(|flag| flag == "lo") || !all_locked(), "locked: {flags:?}");
    }

    /// The kernel's two-letter flags of the mapping that begins at or spans `address`.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            let range = range.and_then(|(start, end)| Some((hex(start)?, hex(end)?)));
            if let Some((start, end)) = range {
                inside = (start..end).contains(&address);
            }
            if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags: ")) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping at {address:#x}");
    }

    fn hex(text: &str) -> Option<usize> {
        usize::from_str_radix(text, 16).ok()
    }

    #[test]
    fn the_kernel_agrees_that_the_memory_is_protected() {
        let memory = Memory::map(4096).unwrap();
        let flags = flags(memory.start.as_ptr() as usize);
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        assert!(has("dd"), "left out of core dumps: {flags:?}");
        assert!(has("wf"), "wiped in the child of a fork: {flags:?}");
        assert_eq!(has("lo"), memory.locked(), "locked: {flags:?}");
    }

    #[test]
    fn a_value_is_protected_and_dropped_once() {
        let value = std::sync::Arc::new(());
        let mut locked = Locked::new((value.clone(), [1_u8; 5000]));
        locked.1[4999] = 2;
        assert_eq!((locked.1[0], locked.1[4999]), (1, 2));
        assert_protected(&raw const locked.1);
        drop(locked);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }

    #[test]
    fn what_is_freed_is_wiped_before() {
        // Drop wipes likewise; afterwards nobody could look.
        let mut locked = Locked::new([7_u8; 64]);
        locked.memory.wipe();
        assert_eq!(*locked, [0; 64]);
    }

    #[test]
    fn new_memory_is_zero() {
        assert_eq!(Memory::map(4096).unwrap().bytes(), [0; 4096]);
    }

    #[test]
    fn an_impossible_size_is_an_error_with_its_cause() {
        let error = Memory::map(usize::MAX / 2).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot map {} bytes for random data", usize::MAX / 2));
        assert!(std::error::Error::source(&error).is_some());
    }
}
